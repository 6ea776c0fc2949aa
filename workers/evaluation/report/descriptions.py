"""The report's plots in words, for people who hear the report instead of seeing it."""

from __future__ import annotations

from typing import Any

from workers.evaluation.report.words import percent, thousands
from workers.signals.registry import title_of


def describe_all(document: dict[str, Any]) -> dict[str, str]:
    """Return what each plot shows, by its name, with the figures that are drawn."""
    found = {"reliability": _reliability(document), "risk_coverage": _risk_coverage(document)}
    if document["per_level_f1"]:
        found["levels"] = _levels(document)
    if document["recall"]:
        found["recall"] = _recall(document)
    return found


def _reliability(document: dict[str, Any]) -> str:
    groups = [f"{percent(one['confidence'])}: {percent(one['accuracy'])}" for one in document["reliability"]]
    return f"Plot: the confidence that was stated, and the share that was right. {'; '.join(groups)}."


def _risk_coverage(document: dict[str, Any]) -> str:
    curve = document["risk_coverage"]
    shown = curve[:: max(len(curve) // 10, 1)]
    if shown[-1] is not curve[-1]:
        shown.append(curve[-1])
    points = "; ".join(f"{percent(one['coverage'], 0)}: {percent(one['risk'])}" for one in shown)
    text = (
        f"Plot: the share of products assigned, the surest first, and the share of these that is wrong. {points}."
    )
    if document["precision_assigned"] is None:
        return text
    wrong = percent(1 - document["precision_assigned"])
    return (
        f"{text} As the model is set, {percent(document['coverage'])} are assigned, and {wrong} of them are wrong."
    )


def _levels(document: dict[str, Any]) -> str:
    levels = [
        f"level {one['depth']}, which {thousands(one['n'])} products reach: {percent(one['f1'])}"
        for one in document["per_level_f1"]
    ]
    return f"Plot: F1 at each level of the tree. {'; '.join(levels)}."


def _recall(document: dict[str, Any]) -> str:
    rows = {"all together": document["recall"]["union"], **document["recall"]["signals"]}
    told = [f"{title_of(name)} {percent(row['1'])} and {percent(row['3'])}" for name, row in rows.items()]
    what = "the share of products whose right category is the first choice, and among the first three"
    return f"Plot: by source of evidence, {what}. {'; '.join(told)}."
