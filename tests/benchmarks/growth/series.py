"""The series by name, and their sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.benchmarks.growth import neighbours
from tests.benchmarks.growth.brand_records import MOST_BRANDS
from tests.benchmarks.growth.brands import by_brand
from tests.benchmarks.growth.model import by_event, by_tree
from tests.benchmarks.growth.partitions import by_partition
from tests.benchmarks.throughput.events import read_real
from tests.benchmarks.throughput.tree import bundle_on
from workers.encoders.static import StaticEncoder

_VECTORS = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
_NODES = (1_000, 5_595, 14_606, 40_000, 100_000)
_BYTES = (500, 1_500, 5_000, 15_000, 50_000)
_BRANDS = (1_000, 10_000, 100_000, MOST_BRANDS)
_PARTITIONS = (4, 16, 64)
_PRODUCTS = 2_048
_QUERIES = 4_096
_REAL = 50_000
_MODELS = Path("var/throughput")
# The number of nodes in all series but that of the tree.
_TREE = 5_595


@dataclass(frozen=True, slots=True)
class Options:
    """The largest sizes, the number of events per run of a worker, and the directory of real catalogues."""

    most_vectors: int = max(_VECTORS)
    most_nodes: int = max(_NODES)
    most_brands: int = max(_BRANDS)
    most_partitions: int = max(_PARTITIONS)
    events: int = 20_000
    data: Path = Path("../shared/data")
    seed: int = 1


Say = Callable[[str], None]
Series = Callable[[Options, Say], Iterator[msgspec.Struct]]


def _neighbours(options: Options, say: Say) -> Iterator[msgspec.Struct]:
    counts = _up_to(options.most_vectors, _VECTORS)
    say(f"up to {counts[-1]:,} neighbours")
    real = read_real(options.data, _REAL)
    return neighbours.measure(StaticEncoder.pretrained(), real, counts, _QUERIES, options.seed)


def _tree(options: Options, say: Say) -> Iterator[msgspec.Struct]:
    return by_tree(_up_to(options.most_nodes, _NODES), _PRODUCTS, options.seed, _MODELS, say)


def _events(options: Options, say: Say) -> Iterator[msgspec.Struct]:
    return by_event(_bundle(say), _BYTES, _PRODUCTS, options.seed)


def _brands(options: Options, say: Say) -> Iterator[msgspec.Struct]:
    return by_brand(_bundle(say), _up_to(options.most_brands, _BRANDS), _PRODUCTS, options.seed, say)


def _partitions(options: Options, say: Say) -> Iterator[msgspec.Struct]:
    counts = _up_to(options.most_partitions, _PARTITIONS)
    return by_partition(_bundle(say), counts, options.events, options.seed, say)


def _bundle(say: Say) -> Path:
    say(f"a model on {_TREE:,} nodes")
    return bundle_on(_TREE, _MODELS)


def _up_to(most: int, counts: tuple[int, ...]) -> list[int]:
    return [count for count in counts if count <= most]


SERIES: Mapping[str, Series] = {
    "neighbours": _neighbours,
    "tree": _tree,
    "events": _events,
    "brands": _brands,
    "partitions": _partitions,
}
