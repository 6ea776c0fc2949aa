"""A model on a tree of realistic size: the sample catalogue's, filled up with leaves that have no products."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain, islice, product
from pathlib import Path

from schemas.taxonomy import Taxonomy
from tests.sample_model import sample_products
from workers.fit.fit import FitOptions, fit
from workers.fit.labels import label_products
from workers.sample import sample_taxonomy
from workers.sample.tables import Leaf, sample_leaves
from workers.sample.wording import COLOURS

FITTED = 3_000
_SEED = 7
_WORKERS = Path(__file__).resolve().parents[3] / "workers"


def padded_taxonomy(nodes: int) -> Taxonomy:
    """Return the sample's tree with siblings added to its leaves until it has ``nodes`` nodes.

    Raises :class:`ValueError` if the sample's tree is larger, or its words do not make enough names.
    """
    sample = sample_taxonomy()
    if nodes < len(sample):
        raise ValueError(f"the sample's tree has {len(sample)} nodes; ask for as many or more, not {nodes}")
    known = set(sample.paths)
    more = (path for path in _round_robin([_siblings(leaf) for leaf in sample_leaves()]) if path not in known)
    padding = list(islice(more, nodes - len(sample)))
    if len(padding) < nodes - len(sample):
        raise ValueError(f"{nodes} nodes; the words of the sample make {len(sample) + len(padding)}")
    paths = [leaf.path for leaf in sample_leaves()]
    return Taxonomy.from_paths("throughput", "1", [*paths, *padding])


def bundle_on(nodes: int, directory: Path) -> Path:
    """Return a model on such a tree; it is fitted unless ``directory`` has one made by the same code."""
    bundle = directory / f"bundle-{nodes}-{_code_digest()}"
    if not bundle.exists():
        taxonomy = padded_taxonomy(nodes)
        fit(label_products(sample_products(_SEED, FITTED), taxonomy), taxonomy, bundle, FitOptions(folds=3))
    return bundle


def _siblings(leaf: Leaf) -> Iterator[tuple[str, ...]]:
    name = leaf.path[-1]
    qualities = [*leaf.materials, *COLOURS]
    names = chain(
        (f"{quality.capitalize()} {name}" for quality in qualities),
        (f"{name} with {feature}" for feature in leaf.features),
        (f"{quality.capitalize()} {name}, {size}" for size, quality in product(leaf.sizes, qualities)),
    )
    return ((*leaf.path[:-1], made) for made in dict.fromkeys(names))


def _round_robin(paths: list[Iterator[tuple[str, ...]]]) -> Iterator[tuple[str, ...]]:
    seen: set[tuple[str, ...]] = set()
    waiting = paths
    while waiting:
        left = []
        for source in waiting:
            path = next(source, None)
            if path is None:
                continue
            left.append(source)
            if path not in seen:
                seen.add(path)
                yield path
        waiting = left


def _code_digest() -> str:
    """Return a digest of the code that fits, so that a model made by other code is not used."""
    found = hashlib.sha256()
    for file in sorted(_WORKERS.rglob("*.py")):
        found.update(file.read_bytes())
    return found.hexdigest()[:12]
