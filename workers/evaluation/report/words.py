"""The evaluation in plain words, with numbers formatted for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

_FEW: Final = 300
UNKNOWN: Final = "n/a"

SLICES: Final = {
    "brand": ("Brand", "whether products of the brand were in the training data"),
    "store": ("Store", "whether products of the store were in the training data"),
    "title": ("Length of the title", "short: up to 3 words; medium: up to 9"),
    "language": ("Language", "of title and description, recognised automatically"),
    "category_size": ("Training products of the category", "how many examples the model had to learn from"),
    "depth": ("Depth of the category", "1 is the top level"),
    "top_level": ("Department", "the top level of the tree"),
}
"""Title and explanation of each slice."""

_GROUPS: Final = {"none": "not given", "seen": "known", "new": "new"}


@dataclass(frozen=True, slots=True)
class Tile:
    """One big number: its label, value, interval and meaning."""

    label: str
    value: str
    interval: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the bar of outcomes; ``share`` is of all products, ``kind`` is a CSS class."""

    kind: str
    label: str
    share: float


def percent(value: float | None, digits: int = 1) -> str:
    """Return a text such as ``84.3 %``, which is never broken, or ``n/a`` if the value is not known."""
    return UNKNOWN if value is None else f"{100 * value:.{digits}f}\N{NO-BREAK SPACE}%"


def thousands(value: float) -> str:
    """Return a text such as ``12,345``."""
    return f"{value:,.0f}"


def plain(value: float | None, digits: int = 3) -> str:
    """Return the number as text, or ``n/a`` if it is not known."""
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def of_a_hundred(shares: list[float]) -> list[int]:
    """Round shares that sum to 1 to whole numbers that sum to 100, with the largest remainder method."""
    exact = np.array(shares) * 100
    whole = np.floor(exact + 1e-9).astype(int)
    for index in np.argsort(whole - exact, kind="stable")[: max(100 - int(whole.sum()), 0)].tolist():
        whole[index] += 1
    return [int(value) for value in whole]


def headline(d: dict[str, Any]) -> str:
    """Say in two sentences what happens to a hundred products."""
    assigned, backed, review = of_a_hundred([d["coverage"], d["back_off_share"], d["review_share"]])
    said = [f"Of 100 products, {assigned} are put on a shelf without a person"]
    if d["precision_assigned"] is not None:
        said[0] += f", and {percent(d['precision_assigned'])} of those are on the right one"
    left = f"{_are(review, d['review_share'])} left to a person"
    if backed:
        right = percent(d["precision_backed_off"])
        put = _are(backed, d["back_off_share"])
        said.append(f"{put} put in a broader category, which is right for {right} of them; {left}")
    else:
        said.append(left[0].upper() + left[1:])
    return ". ".join(said) + "."


def _are(count: int, share: float) -> str:
    if count == 0:
        return "fewer than one is" if share else "none is"
    return f"{count} {'is' if count == 1 else 'are'}"


def in_training(d: dict[str, Any]) -> str | None:
    """Say how many of the products the model was fitted on, or return ``None`` if there are none."""
    found = d["in_training"]
    if found is None or not (count := found["exact"] + found["near"]):
        return None
    return (
        f"{thousands(count)} of {thousands(d['n'])} products were in the fit of this model, or near-duplicates of"
        f" them were ({thousands(found['exact'])} with the same title and brand). On these it looks better than on"
        " new ones."
    )


def remarks(d: dict[str, Any]) -> list[str]:
    """Return what a reader must know before trusting the figures."""
    found = [flattered] if (flattered := in_training(d)) else []
    if d["unknown_category"]:
        found.append(
            f"{thousands(d['unknown_category'])} products have a category that the model's tree lacks. It cannot"
            " get them right, and they are in no figure here."
        )
    if d["unlabelled"]:
        found.append(f"{thousands(d['unlabelled'])} products have no label and are in no figure here.")
    if d["measured"]["skipped_invalid"]:
        found.append(f"{thousands(d['measured']['skipped_invalid'])} rows could not be read and were left out.")
    if d["n"] < _FEW:
        found.append(
            f"Only {thousands(d['n'])} products were measured: chance moves these figures a good deal. Read the"
            " intervals beside them."
        )
    return found


def tiles(d: dict[str, Any]) -> list[Tile]:
    """Return the big numbers, the most important first."""
    chosen = (
        ("coverage", "Assigned", "of all products need no person"),
        ("precision_assigned", "Right when assigned", "of what was assigned is on the right shelf"),
        ("usable_coverage", "Usable", "assigned, or put in a broader category"),
        ("hierarchical_precision_usable", "Right when usable", "right as far as the answer goes"),
        ("exact_accuracy", "First choice right", "over all products, had it always to answer"),
        ("top3_accuracy", "Among the first three", "what a reviewer is offered"),
        ("hierarchical_f1", "Path agreement", "credit for the shared part of the path (hierarchical F1)"),
    )
    found = [Tile(label, percent(d[key]), _interval(d, key), meaning) for key, label, meaning in chosen]
    error = d["expected_calibration_error"]
    points = UNKNOWN if error is None else f"{100 * error:.1f} points"
    return [*found, Tile("Confidence is off by", points, "", "on average, against what really happened")]


def _interval(d: dict[str, Any], key: str) -> str:
    low, high = d["intervals"].get(key, (None, None))
    return "" if low is None or high is None else f"{100 * low:.1f} to {percent(high)}"


def segments(d: dict[str, Any]) -> list[Segment]:
    """Return the outcomes of the products as parts that sum to 1."""
    right = d["coverage"] * (d["precision_assigned"] or 0.0)
    backed = d["back_off_share"] * (d["precision_backed_off"] or 0.0)
    ready = d["review_share"] * (d["review_first_suggestion_right"] or 0.0)
    parts = (
        Segment("right", "assigned, right", right),
        Segment("wrong", "assigned, wrong", d["coverage"] - right),
        Segment("broad", "broader category, right", backed),
        Segment("broadwrong", "broader category, wrong", d["back_off_share"] - backed),
        Segment("ready", "review, first suggestion right", ready),
        Segment("review", "review, other", d["review_share"] - ready),
    )
    return [part for part in parts if part.share > 1e-6]


def slice_tables(d: dict[str, Any], most: int) -> list[dict[str, Any]]:
    """Return each known slice: title, explanation, up to ``most`` groups, and the number of groups not shown."""
    found = []
    for key, (title, meaning) in SLICES.items():
        groups = d["slices"].get(key)
        if groups:
            shown = [{**group, "group": _GROUPS.get(group["group"], group["group"])} for group in groups[:most]]
            found.append({"title": title, "meaning": meaning, "groups": shown, "more": len(groups) - len(shown)})
    return found
