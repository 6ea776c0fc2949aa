"""Measure the model without a stream, in a separate process: CPU time per product by stage, as JSON."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time
from typing import Any, TypeVar

import orjson
from threadpoolctl import threadpool_limits

from schemas.events.batch import CandidateProduct
from schemas.events.codec import encode
from schemas.events.position import SourcePosition
from schemas.events.product import decode_product
from tests.benchmarks.throughput.events import Event, generate, read_real
from workers.bundle.bundle import Bundle, load_bundle
from workers.decisions import decision_event
from workers.recall.encode import encode_products
from workers.statistics import NoStatistics

BATCH = 64
# The model's own stages; decoding events and writing decisions is the stream's work.
MODEL_STAGES = ("encode", "recall", "ranking")
_SOURCE = SourcePosition("products", 0, 0)
Result = TypeVar("Result")


class Costs:
    """The CPU seconds of this process, by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def of(self, stage: str, work: Callable[..., Result], *arguments: Any) -> Result:
        """Do some work, and add its cost to the stage."""
        began = process_time()
        result = work(*arguments)
        self.seconds[stage] += process_time() - began
        return result

    def per_product(self, products: int) -> dict[str, float]:
        """Return microseconds per product by stage; ``model`` sums the model's stages, ``total`` all."""
        found = {stage: 1e6 * seconds / products for stage, seconds in self.seconds.items()}
        return found | {
            "model": sum(found[stage] for stage in MODEL_STAGES),
            "total": sum(found.values()),
        }


def cost(bundle: Bundle, events: Sequence[Event], batch: int) -> dict[str, float]:
    """Return the CPU microseconds per product by stage, with ``batch`` products at a time."""
    costs = Costs()
    for first in range(0, len(events), batch):
        _decide(bundle, events[first : first + batch], costs)
    return costs.per_product(len(events))


def _decide(bundle: Bundle, events: Sequence[Event], costs: Costs) -> None:
    recall = bundle.recall
    products = costs.of("decode", lambda: [decode_product(value, key) for key, value in events])
    encoded = costs.of("encode", encode_products, recall.encoder, products, NoStatistics())
    candidates = costs.of("recall", recall.of, encoded)
    predictions = costs.of("ranking", bundle.ranking.decide, candidates)

    def write() -> list[bytes]:
        about = [CandidateProduct.of(item, 0) for item in products]
        pairs = zip(predictions, about, strict=True)
        return [encode(decision_event(prediction, one, _SOURCE, bundle.taxonomy, "")) for prediction, one in pairs]

    costs.of("events", write)


def main() -> None:
    """Run ``model_alone.py BUNDLE PRODUCTS SEED [DATA]``: print the cost in batches and one by one."""
    bundle = load_bundle(Path(sys.argv[1]))
    threadpool_limits(1)
    count, seed = int(sys.argv[2]), int(sys.argv[3])
    real = read_real(Path(sys.argv[4]), count) if len(sys.argv) > 4 else []
    events = generate(seed, 2 * count, real)
    # Fill the word caches first, as in a worker that has been running for long.
    cost(bundle, events[:count], BATCH)
    batched = cost(bundle, events[count:], BATCH)
    # The same warm products as for the batches, but fewer, because each costs several times as much.
    single = cost(bundle, events[count : count + count // 4], 1)
    sys.stdout.write(orjson.dumps({"batch": batched, "single": single}).decode() + "\n")


if __name__ == "__main__":
    main()
