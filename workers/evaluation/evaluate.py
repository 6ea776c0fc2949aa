"""Measure a bundle on labelled products: makes the document that ``shelfwise evaluate --json`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

from schemas.errors import InvalidProducts
from workers.bundle.bundle import Bundle
from workers.bundle.training import TrainingFingerprint
from workers.evaluation.bootstrap import DRAWS, LEVEL, intervals
from workers.evaluation.categories import by_category, confusions
from workers.evaluation.confidence import reliability, risk_coverage
from workers.evaluation.metrics import measure
from workers.evaluation.outcomes import collect_outcomes
from workers.evaluation.per_product import product_facts
from workers.evaluation.slices import slices
from workers.evaluation.training import Training
from workers.fit.labels import LabelledProducts, label_products, require_known
from workers.leaks import find_leaks
from workers.near_duplicates import near_duplicate_groups
from workers.product_files import LabelledProduct
from workers.progress import Progress, silent

FORMAT: Final = 1
"""Increased when a key changes its meaning or is removed; new keys may be added at any time."""

UNKNOWN_SHOWN: Final = 20
_CONFUSIONS: Final = 100


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows came from: the file's name, and how many rows were left out because they are invalid."""

    file: str
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Resampling:
    """How many bootstrap samples are drawn for the intervals, at least 1, and with which seed."""

    draws: int = DRAWS
    seed: int = 0


def find_labels(rows: Sequence[LabelledProduct], bundle: Bundle) -> LabelledProducts:
    """Find the labels in the bundle's tree; rows without a label, or with one it lacks, are counted, not measured.

    Raises :class:`InvalidProducts` if no row remains.
    """
    if not rows:
        raise InvalidProducts("there is no product to measure on: the file has no rows; name a file of products")
    tree = bundle.taxonomy
    labelled = label_products(rows, tree, skip_unknown=True)
    require_known(labelled, tree, "name the file that goes with this bundle, or fit one with this file's tree")
    if not labelled.products:
        raise InvalidProducts(
            f"none of the {len(rows):,} products has a label; give category_path or category_id, or name the"
            " column that holds it with --column category_path=NAME"
        )
    return labelled


def evaluate(
    bundle: Bundle,
    labelled: LabelledProducts,
    source: Source,
    resampling: Resampling = Resampling(),
    progress: Progress = silent,
) -> dict[str, Any]:
    """Return every figure, ready for JSON; docs/evaluation.md defines the keys."""
    outcomes = collect_outcomes(bundle, labelled, progress)
    progress("measuring", 0, 3)
    facts = product_facts(outcomes)
    found = measure(outcomes, facts)
    progress("measuring", 1, 3)
    groups = near_duplicate_groups([product.title for product in labelled.products])
    between = intervals(outcomes, resampling.draws, resampling.seed, facts, groups)
    progress("measuring", 2, 3)
    training = Training.of(bundle)
    leaks, _ = find_leaks(TrainingFingerprint.load(bundle.directory), labelled.products)
    document = {
        "format": FORMAT,
        **found,
        "unlabelled": labelled.unlabelled,
        "unknown_category": labelled.unknown,
        "unknown_categories": [
            {"category": label, "count": count} for label, count in labelled.unknown_labels[:UNKNOWN_SHOWN]
        ],
        "in_training": None if leaks.training_products is None else {"exact": leaks.exact, "near": leaks.near},
        "intervals": {key: list(pair) for key, pair in between.items()},
        "reliability": reliability(outcomes.confidence, facts.exact),
        "risk_coverage": risk_coverage(outcomes.confidence, facts.exact),
        "slices": slices(outcomes, facts, labelled.products, training),
        "confusions": [_with_examples(pair, labelled) for pair in confusions(outcomes, _CONFUSIONS)],
        "categories": by_category(outcomes, facts, training.category_sizes),
        "model": _model(bundle),
        "measured": _measured(labelled, source, resampling),
    }
    progress("measuring", 3, 3)
    return document


def _with_examples(pair: dict[str, Any], labelled: LabelledProducts) -> dict[str, Any]:
    products = [labelled.products[row] for row in pair.pop("rows")]
    examples = [{"product_id": item.product_id, "title": item.title, "brand": item.brand} for item in products]
    return {**pair, "examples": examples}


def _model(bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "model_version": manifest.model_version,
        "created_at": manifest.created_at.isoformat(timespec="seconds"),
        "shelfwise_version": manifest.shelfwise_version,
        "taxonomy_name": manifest.taxonomy_name,
        "taxonomy_version": manifest.taxonomy_version,
        "categories": len(bundle.taxonomy),
        "encoder": manifest.encoder,
        "signals": list(manifest.signals),
    }


def _measured(labelled: LabelledProducts, source: Source, resampling: Resampling) -> dict[str, Any]:
    return {
        "file": source.file,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": len(labelled.products) + labelled.unlabelled + labelled.unknown + source.skipped,
        "skipped_invalid": source.skipped,
        "shelfwise_version": version("shelfwise"),
        "bootstrap_draws": resampling.draws,
        "bootstrap_seed": resampling.seed,
        "interval_level": LEVEL,
    }
