"""Models of realistic size: a tree with many nodes, and many labelled neighbours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.benchmarks.growth.neighbours import products
from tests.benchmarks.throughput.tree import bundle_on
from workers.bundle.bundle import Provenance, load_bundle, save_bundle
from workers.recall.examples import Examples
from workers.recall.recall import Recall
from workers.text.product_text import branded_text

_TEXTS_AT_ONCE = 8_192


def model(nodes: int, neighbours: int, seed: int, directory: Path) -> Path:
    """Return a bundle; it is made unless ``directory`` has one made by the same code.

    The neighbours are generated products with random labels drawn by ``seed``, because this benchmark does not
    look at the decisions.
    """
    fitted = bundle_on(nodes, directory)
    made = fitted.with_name(f"{fitted.name}-{neighbours}-{seed}")
    if not made.exists():
        bundle = load_bundle(fitted)
        recall = bundle.recall
        generated = list(products(seed, neighbours, []))
        known = np.unique(recall.reference.examples.labels)
        labels = np.random.default_rng(seed).choice(known, neighbours).astype(np.int32)
        texts = [branded_text(item) for item in generated]
        parts = [texts[first : first + _TEXTS_AT_ONCE] for first in range(0, neighbours, _TEXTS_AT_ONCE)]
        vectors = np.concatenate([recall.encoder.encode(part) for part in parts])
        reference = replace(recall.reference, examples=Examples.of(generated, vectors, labels))
        signals = [type(signal).restore(signal.state(), reference) for signal in recall.signals]
        save_bundle(made, Recall(recall.encoder, signals, reference), bundle.ranking, Provenance({}, []))
    return made
