"""Models on trees for which the throughput benchmark's names do not suffice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations, islice
from pathlib import Path

from schemas.taxonomy import Taxonomy
from tests.benchmarks.throughput.tree import FITTED, bundle_on, padded_taxonomy
from tests.sample_model import sample_products
from workers.fit.fit import FitOptions, fit
from workers.fit.labels import label_products
from workers.sample.tables import sample_leaves
from workers.sample.wording import COLOURS

# The largest tree with only the throughput benchmark's names; larger trees contain it.
_PADDED = 14_606
_SEED = 7


def filled_taxonomy(nodes: int) -> Taxonomy:
    """Return the throughput benchmark's tree, filled up with leaves named by two colours and a size.

    Raises :class:`ValueError` if ``nodes`` is less than the sample tree has, or more than there are names.
    """
    if nodes <= _PADDED:
        return padded_taxonomy(nodes)
    padded = padded_taxonomy(_PADDED)
    made = Taxonomy.from_paths("growth", "1", chain(padded.paths, islice(_two_coloured(), nodes - _PADDED)))
    if len(made) < nodes:
        raise ValueError(f"{nodes} nodes; the words of the sample make {len(made)}")
    return made


def bundle_on_any(nodes: int, directory: Path) -> Path:
    """Return a model on such a tree; it is fitted unless ``directory`` has one made by the same code."""
    if nodes <= _PADDED:
        return bundle_on(nodes, directory)
    padded = bundle_on(_PADDED, directory)
    bundle = padded.with_name(f"{padded.name}-filled-{nodes}")
    if not bundle.exists():
        taxonomy = filled_taxonomy(nodes)
        fit(label_products(sample_products(_SEED, FITTED), taxonomy), taxonomy, bundle, FitOptions(folds=3))
    return bundle


def _two_coloured() -> Iterator[tuple[str, ...]]:
    """Yield siblings of the sample's leaves, in turn one for each leaf."""
    leaves = sample_leaves()
    for number in range(max(len(leaf.sizes) for leaf in leaves)):
        for one, other in combinations(COLOURS, 2):
            for leaf in leaves:
                if number < len(leaf.sizes):
                    name = f"{one.capitalize()} and {other} {leaf.path[-1]}, {leaf.sizes[number]}"
                    yield (*leaf.path[:-1], name)
