"""CloudEvents 1.0 in binary mode on Kafka: attributes are headers, the data is the message's value.

Source: CloudEvents 1.0.2 and its Kafka protocol binding, section 3.2 (binary content mode).
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from schemas.events.dead_letter import Headers

SOURCE: Final = "urn:shelfwise"


class EventType(StrEnum):
    """The ``ce_type`` of each event."""

    PRODUCT_CHANGED = "shelfwise.product.changed.v1"
    PRODUCT_REMOVED = "shelfwise.product.removed.v1"
    PRODUCTS_BATCHED = "shelfwise.products.batched.v1"
    CANDIDATES = "shelfwise.candidates.v1"
    CATEGORY_ASSIGNED = "shelfwise.category.assigned.v1"
    CATEGORY_NEEDS_REVIEW = "shelfwise.category.needs-review.v1"
    CATEGORY_WITHDRAWN = "shelfwise.category.withdrawn.v1"
    REVIEW_DECIDED = "shelfwise.review.decided.v1"
    LEARNING_BATCHED = "shelfwise.learning.batched.v1"
    STATISTICS_CHANGED = "shelfwise.statistics.changed.v1"
    BATCH_COMPLETED = "shelfwise.batch.completed.v1"


def headers(
    event_type: EventType,
    event_id: str,
    *,
    subject: str | None = None,
    source: str = SOURCE,
    time: datetime | None = None,
) -> Headers:
    """Return the headers of an event; ``time`` defaults to now. Tombstones get no content type."""
    when = time or datetime.now(UTC)
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": event_id,
        "ce_source": source,
        "ce_type": str(event_type),
        "ce_time": when.isoformat().replace("+00:00", "Z"),
    }
    if subject is not None:
        attributes["ce_subject"] = subject
    if event_type not in (EventType.PRODUCT_REMOVED, EventType.CATEGORY_WITHDRAWN):
        attributes["content-type"] = "application/json"
    return [(name, value.encode()) for name, value in attributes.items()]
