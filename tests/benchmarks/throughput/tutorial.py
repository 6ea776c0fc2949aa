"""The usual tutorial's approach, without a stream: encode each title with a sentence encoder, search in FAISS.

``python -m tests.benchmarks.throughput.tutorial BUNDLE ENCODER PRODUCTS SEED`` prints JSON with CPU and wall-clock
microseconds per product of the tutorial, and CPU microseconds of ours. ENCODER is a directory written by
``shelfwise encoder``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

import faiss
import numpy as np
import orjson
from threadpoolctl import threadpool_limits

from schemas.events.product import decode_product
from tests.benchmarks.throughput.events import Event, generate
from tests.benchmarks.throughput.model_alone import BATCH, MODEL_STAGES, cost
from workers.bundle.bundle import load_bundle
from workers.encoders.base import Encoder
from workers.encoders.load import load_encoder
from workers.text.product_text import category_texts


def as_in_tutorials(encoder: Encoder, paths: list[str]) -> Callable[[str], int]:
    """Return a function that finds the category nearest to a title."""
    index = faiss.IndexFlatIP(encoder.dimensions)
    index.add(
        np.concatenate([encoder.encode(paths[start : start + BATCH]) for start in range(0, len(paths), BATCH)])
    )

    def classify(title: str) -> int:
        return int(index.search(encoder.encode([title]), 1)[1][0, 0])

    return classify


def measured(classify: Callable[[str], int], events: list[Event]) -> dict[str, float]:
    """Return the CPU and wall-clock microseconds per product, including decoding."""
    began, cpu = perf_counter(), process_time()
    for key, value in events:
        classify(decode_product(value, key).title)
    return {
        "cpu_us": 1e6 * (process_time() - cpu) / len(events),
        "wall_us": 1e6 * (perf_counter() - began) / len(events),
    }


def main() -> None:
    """Print the figures."""
    bundle, encoder = load_bundle(Path(sys.argv[1])), load_encoder(Path(sys.argv[2]))
    threadpool_limits(1)
    events = generate(int(sys.argv[4]), int(sys.argv[3]))
    classify = as_in_tutorials(encoder, category_texts(bundle.taxonomy)[1])
    measured(classify, events[:BATCH])
    cost(bundle, events, BATCH)
    ours = cost(bundle, events, BATCH)
    figures = {
        "nodes": len(bundle.taxonomy),
        "encoder": encoder.name,
        "tutorial": measured(classify, events),
        "ours": {"cpu_us": sum(ours[stage] for stage in ("decode", *MODEL_STAGES))},
    }
    sys.stdout.write(orjson.dumps(figures).decode() + "\n")


if __name__ == "__main__":
    main()
