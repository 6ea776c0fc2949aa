"""Export the JSON Schema (draft 2020-12) of every event: ``python -m schemas.json_schema DIRECTORY``."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from schemas.events.batch import BatchCompleted, CandidateBatch, ProductBatch
from schemas.events.dead_letter import DeadLetter
from schemas.events.decision import CategoryAssigned, NeedsReview
from schemas.events.learning import LearningBatch
from schemas.events.product import EMPTY_IF_NULL, Product
from schemas.events.review import ReviewDecided
from schemas.events.statistics import StatisticsBatch

EVENTS: Final[dict[str, type[msgspec.Struct]]] = {
    "products.changed.v1": Product,
    "products.batched.v1": ProductBatch,
    "candidates.v1": CandidateBatch,
    "batches.completed.v1": BatchCompleted,
    "categories.assigned.v1": CategoryAssigned,
    "categories.needs-review.v1": NeedsReview,
    "reviews.decided.v1": ReviewDecided,
    "learning.batched.v1": LearningBatch,
    "statistics.changed.v1": StatisticsBatch,
    "products.dead-letter.v1.headers": DeadLetter,
}
DIRECTORY: Final = Path(__file__).parent / "json"


def json_schema(name: str) -> bytes:
    """Return the JSON Schema of one event as indented JSON."""
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **msgspec.json.schema(EVENTS[name]),
    }
    for definition in schema["$defs"].values():
        # Whether a docstring is indented depends on the versions of Python and msgspec.
        definition["description"] = inspect.cleandoc(definition["description"])
    if EVENTS[name] is Product:
        for field in EMPTY_IF_NULL:
            property_ = schema["$defs"]["Product"]["properties"][field]
            property_["type"] = [property_["type"], "null"]
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def export(directory: Path) -> None:
    """Write every schema to ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in EVENTS:
        (directory / f"{name}.schema.json").write_bytes(json_schema(name))


if __name__ == "__main__":
    export(Path(sys.argv[1]) if len(sys.argv) > 1 else DIRECTORY)
