"""Write the Markdown tables of docs/quality.md, between markers, and its plots, from stored results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.benchmarks.quality import store
from tests.benchmarks.quality.datasets import DATASETS
from tests.benchmarks.quality.figures import Estimate, compare, estimate
from tests.benchmarks.quality.ours import CASCADE, OURS, WITHOUT
from tests.benchmarks.quality.plots import plot_curve, plot_risk_coverage
from tests.benchmarks.quality.results import Results
from tests.benchmarks.quality.splits import CURVE, split_names
from workers.signals.registry import title_of

NAMES: Final = {
    "majority": "majority of brand and merchant's text",
    "zero_shot": "MiniLM, zero-shot",
    "svm": "TF-IDF + linear SVM",
    "svm_fields": "the same, a vectoriser a field",
    "fast_text": "fastText (floret)",
    "neighbours": "10 neighbours, TF-IDF",
    "neighbours_encoder": "10 neighbours, MiniLM",
    "logistic": "TF-IDF in 300 directions + logistic regression",
    "logistic_encoder": "MiniLM + logistic regression",
    "combination": "weighted mean of all that learn",
    OURS: "**Shelfwise**",
    CASCADE: "**Shelfwise**, cascade",
}
"""The names of methods in the tables, in row order."""


def write_tables(out: Path, docs: Path) -> list[str]:
    """Write the tables of all stored results to ``docs/quality.md`` and the plots to ``docs/img``.

    Returns the names of the sections written; sections without results are left unchanged.
    """
    results = Results(out)
    file = docs / "quality.md"
    text = file.read_text(encoding="utf-8")
    sections = {
        "random": _random(results),
        "differences": _differences(results),
        "catalogues": _catalogues(results),
        "harder": _harder(results),
        "curves": _curves(results),
        "decisions": _decisions(results),
        "ablation": _ablation(results),
    }
    images = docs / "img"
    images.mkdir(exist_ok=True)
    if plot_curve(results, NAMES, images / "learning-curves.svg"):
        sections["curves"] += "\n\n![Exact accuracy by the number of labelled products](img/learning-curves.svg)"
    if plot_risk_coverage(results, NAMES, images / "risk-coverage.svg"):
        sections["random"] += "\n\n![Error rate by the share assigned](img/risk-coverage.svg)"
    written = [name for name, body in sections.items() if body]
    for name in written:
        text = replace_section(text, name, sections[name])
    file.write_text(text, encoding="utf-8")
    return written


def replace_section(text: str, name: str, body: str) -> str:
    """Replace the text between a section's markers with ``body``; raises :class:`ValueError` without markers."""
    opening, closing = f"<!-- quality:{name} -->", f"<!-- /quality:{name} -->"
    before, found, rest = text.partition(opening)
    _, closed, after = rest.partition(closing)
    if not found or not closed:
        raise ValueError(f"the document has no section {opening} ... {closing}; add both lines")
    return f"{before}{opening}\n\n{body.strip()}\n\n{closing}{after}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table, or an empty text if there are no rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(header)} |", "|" + " --- |" * len(header), *lines])


def percent(value: Estimate, *, sign: bool = False) -> str:
    """Return a share in percent with its interval, such as ``86.4 [85.1, 87.6]``; a dash if it is not finite."""
    if not np.isfinite(value.value):
        return "-"
    form = "{:+.1f}" if sign else "{:.1f}"
    shown, low, high = (form.format(100 * part) for part in (value.value, value.low, value.high))
    return f"{shown} [{low}, {high}]"


def _area(value: Estimate) -> str:
    return f"{value.value:.4f} [{value.low:.4f}, {value.high:.4f}]"


def _random(results: Results) -> str:
    header = (
        "exact, %", "top 3, %", "coverage, % / precision, %", "best coverage at 95 %", "AURC",
        "ECE, %", "fit, s", "µs per product", "MB", "seeds",
    )  # fmt: skip
    parts = []
    for dataset in (name for name, dataset in DATASETS.items() if dataset.full):
        rows = []
        for method in NAMES:
            found = results.of(dataset, "random", method)
            if not found:
                continue
            value = estimate(found.products)
            decided = f"{100 * value['coverage'].value:.1f} / {_plain(value['precision'])}"
            costs = [found.mean(name) for name in ("fit_seconds", "microseconds", "peak_megabytes")]
            rows.append(
                (
                    NAMES[method],
                    percent(value["exact"]),
                    f"{100 * value['top3'].value:.1f}",
                    decided,
                    percent(value["oracle_coverage"]),
                    _area(value["aurc"]),
                    f"{100 * value['calibration_error'].value:.1f}",
                    f"{costs[0]:.1f}",
                    f"{costs[1]:,.0f}",
                    f"{costs[2]:,.0f}",
                    str(len(found)),
                )
            )
        if rows:
            parts.append(f"**{dataset}**\n\n{table(('', *header), rows)}")
    return "\n\n".join(parts)


def _differences(results: Results) -> str:
    rows = []
    for dataset in (name for name, dataset in DATASETS.items() if dataset.full):
        for ours, method in [*product([OURS], NAMES), *product([CASCADE], (OURS, "combination", "svm"))]:
            mine, theirs = results.both(dataset, "random", ours, method)
            if mine and ours != method != CASCADE:
                found = _difference(compare(mine, theirs))
                rows.append((dataset, NAMES[ours], NAMES[method], *found, str(len(mine))))
    header = (
        "catalogue",
        "",
        "minus",
        "exact, points",
        "coverage, points",
        "best coverage, points",
        "AURC, %",
        "seeds",
    )
    return table(header, rows)


def _difference(value: Mapping[str, Estimate]) -> tuple[str, str, str, str]:
    return (
        percent(value["exact"], sign=True),
        percent(value["coverage"], sign=True),
        percent(value["oracle_coverage"], sign=True),
        percent(value["aurc_relative"], sign=True),
    )


def _catalogues(results: Results) -> str:
    methods = [name for name in NAMES if any(results.of(dataset, "random", name, 0) for dataset in DATASETS)]
    rows = []
    for dataset in DATASETS:
        cells, about = [], None
        for method in methods:
            found = results.of(dataset, "random", method, 0)
            cells.append(_exact_and_coverage(found.products) if found else "-")
            about = about or (found.figures[0] if found else None)
        if about:
            rows.append((dataset, f"{about['products_fitted_on']:,}", f"{about['nodes']:,}", *cells))
    return table(("catalogue", "fitted on", "nodes", *(NAMES[name] for name in methods)), rows)


def _exact_and_coverage(seeds: Sequence[store.PerProduct]) -> str:
    value = estimate(seeds)
    return f"{percent(value['exact'])}, {100 * value['oracle_coverage'].value:.0f}"


def _harder(results: Results) -> str:
    rows = []
    for dataset, about in DATASETS.items():
        for split in (*(("random",) if about.tree else ()), *about.splits):
            methods = [name for name in NAMES if results.of(dataset, split, name)]
            for method in methods:
                found = results.of(dataset, split, method)
                value = estimate(found.products)
                rows.append(
                    (
                        dataset,
                        split,
                        f"{100 * found.mean('label_seen'):.0f}",
                        NAMES[method],
                        percent(value["exact"]),
                        f"{100 * value['top3'].value:.1f}",
                        f"{100 * value['coverage'].value:.1f} / {_plain(value['precision'])}",
                        str(len(found)),
                    )
                )
    header = (
        "catalogue",
        "split",
        "labels seen, %",
        "",
        "exact, %",
        "top 3, %",
        "coverage, % / precision, %",
        "seeds",
    )
    return table(header, rows)


def _curves(results: Results) -> str:
    rows = []
    for dataset, about in DATASETS.items():
        splits = [name for name in split_names((), curve=about.full) if name != "random"]
        for method in NAMES if splits else ():
            cells = []
            for split in (*splits, "random"):
                found = results.of(dataset, split, method, 0)
                cells.append(percent(estimate(found.products)["exact"]) if found else "-")
            if any(cell != "-" for cell in cells[:-1]):
                rows.append((dataset, NAMES[method], *cells))
    return table(("catalogue", "", *(f"{count:,}" for count in CURVE), "all"), rows)


def _decisions(results: Results) -> str:
    """Return the table of decisions by the error budget, with back-off, and of figures that need the tree."""
    keys = {
        "coverage": "assigned",
        "precision_assigned": "of these right",
        "usable_coverage": "assigned or backed off",
        "hierarchical_precision_usable": "of these right",
        "depth_kept": "depth kept",
        "review_share": "review",
        "expected_calibration_error": "ECE",
        "hierarchical_f1": "hF1",
        "hierarchical_f1_lenient": "hF1, lenient",
        "macro_f1": "macro F1",
        "recall_at_30": "recall@30",
    }
    rows = []
    for dataset, about in DATASETS.items():
        for split in ("random", *about.splits):
            for method in (OURS, CASCADE, "combination", "svm"):
                measures = [
                    figures.get("measures") or {} for figures in results.of(dataset, split, method).figures
                ]
                if measures:
                    rows.append((dataset, split, NAMES[method], *(_mean_percent(measures, key) for key in keys)))
    if not any(row[2] == NAMES[OURS] for row in rows):
        return ""
    return table(("catalogue", "split", "", *keys.values()), rows)


def _mean_percent(measures: Sequence[Mapping[str, Any]], key: str) -> str:
    values = [found[key] for found in measures if found.get(key) is not None]
    return f"{100 * float(np.mean(values)):.1f}" if values else "-"


def _ablation(results: Results) -> str:
    rows = []
    for dataset in DATASETS:
        for method in results.methods(dataset, "random", prefix=WITHOUT):
            less, whole = results.both(dataset, "random", method, OURS)
            if less:
                signal = title_of(method.removeprefix(WITHOUT))
                rows.append((dataset, signal, *_difference(compare(less, whole)), str(len(less))))
    header = (
        "catalogue",
        "without",
        "exact, points",
        "coverage, points",
        "best coverage, points",
        "AURC, %",
        "seeds",
    )
    return table(header, rows)


def _plain(value: Estimate) -> str:
    return f"{100 * value.value:.1f}" if np.isfinite(value.value) else "-"
