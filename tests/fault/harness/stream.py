"""A seeded stream of events: new products, edits, repeats, stale edits, removals, verdicts, broken events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

import msgspec

from schemas.events.codec import encode
from schemas.events.dead_letter import Headers
from schemas.events.product import Product
from schemas.events.review import ReviewDecided
from tests.sample_model import sample_products
from workers.sample import sample_taxonomy

_DATED: Final = 0.7
_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_VERDICTS: Final = 0.02
_STALE_OF_REMOVED: Final = 0.3


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event to publish; a ``verdict`` goes to the topic of verdicts, all others to the topic of products."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    kind: str


@dataclass
class Stream:
    """Generates events; the same seed gives the same events. Either all events of a product have a date, or none.

    A stale edit may follow the removal of its product, and must not bring it back.
    """

    seed: int
    events: int
    _live: dict[str, Product] = field(default_factory=dict)
    _names: list[str] = field(default_factory=list)
    _gone: list[Product] = field(default_factory=list)

    def __iter__(self) -> Iterator[StreamEvent]:
        chance = Random(self.seed)
        catalogue = iter([row.product for row in sample_products(self.seed, self.events)])
        kinds = {
            "new": 0.50,
            "edit": 0.15,
            "repeat": 0.08,
            "resent": 0.07,
            "stale": 0.06,
            "removed": 0.04,
            "revived": 0.03,
            "broken": 0.05,
            "verdict": _VERDICTS,
        }
        categories = sample_taxonomy().ids
        for number in range(self.events):
            kind = chance.choices(list(kinds), list(kinds.values()))[0]
            if kind in ("revived",) and not self._gone:
                kind = "new"
            if kind not in ("new", "broken", "revived") and len(self._live) < 10:
                kind = "new"
            fresh = next(catalogue)
            if kind == "verdict":
                yield self._verdict(chance, number, chance.choice(categories))
            elif kind == "broken":
                yield self._broken(chance, number, fresh)
            else:
                yield self._event(chance, kind, number, fresh)

    def _event(self, chance: Random, kind: str, number: int, fresh: Product) -> StreamEvent:
        now = _BEGIN + timedelta(seconds=number)
        if kind == "new":
            dated = chance.random() < _DATED
            return self._set(msgspec.structs.replace(fresh, updated_at=now if dated else None), kind)
        if kind == "revived":
            gone = self._gone.pop(chance.randrange(len(self._gone)))
            return self._set(msgspec.structs.replace(gone, updated_at=now if gone.updated_at else None), kind)
        return self._change(chance, kind, now, fresh)

    def _change(self, chance: Random, kind: str, now: datetime, fresh: Product) -> StreamEvent:
        product = self._live[self._pick(chance)]
        if kind == "stale" and self._gone and chance.random() < _STALE_OF_REMOVED:
            product = chance.choice(self._gone)
            if product.updated_at is None:
                return StreamEvent(product.product_id.encode(), None, [], "removed")
        if kind == "repeat":
            return _published(product, kind)
        if kind == "resent":
            return self._set(
                msgspec.structs.replace(product, updated_at=now if product.updated_at else None), kind
            )
        if kind == "removed":
            self._drop(product)
            return StreamEvent(product.product_id.encode(), None, [], kind)
        edited = msgspec.structs.replace(
            product,
            title=fresh.title,
            merchant_category=fresh.merchant_category,
            brand=fresh.brand if chance.random() < 0.3 else product.brand,
            stores=fresh.stores if chance.random() < 0.3 else product.stores,
        )
        if kind == "stale" and product.updated_at is not None:
            late = product.updated_at - timedelta(seconds=chance.randint(1, 100_000))
            return _published(msgspec.structs.replace(edited, updated_at=late), kind)
        return self._set(msgspec.structs.replace(edited, updated_at=now if product.updated_at else None), "edit")

    def _set(self, product: Product, kind: str) -> StreamEvent:
        if product.product_id not in self._live:
            self._names.append(product.product_id)
        self._live[product.product_id] = product
        return _published(product, kind)

    def _drop(self, product: Product) -> None:
        del self._live[product.product_id]
        self._names.remove(product.product_id)
        self._gone.append(product)

    def _pick(self, chance: Random) -> str:
        # Usually one of the latest products, because edits of a product come in rapid succession.
        reach = len(self._names) if chance.random() < 0.5 else min(20, len(self._names))
        return self._names[-1 - chance.randrange(reach)]

    def _broken(self, chance: Random, number: int, fresh: Product) -> StreamEvent:
        key = f"broken-{number}".encode()
        value = encode(msgspec.structs.replace(fresh, product_id=key.decode()))
        ways: list[tuple[bytes | None, bytes | None]] = [
            (key, value[:-3]),
            (key, value.replace(b'"title":"', b'"title":"\xff')),
            (b"another", value),
            (key, b'{"product_id":"' + key + b'","title":" "}'),
            (None, None),
        ]
        return StreamEvent(*chance.choice(ways), [], "broken")

    def _verdict(self, chance: Random, number: int, category: str) -> StreamEvent:
        product = self._live[self._pick(chance)]
        if chance.random() < 0.05:  # what was said of the product is taken back
            return StreamEvent(product.product_id.encode(), None, [], "verdict")
        verdict = ReviewDecided(
            review_id=str(number),
            product_id=product.product_id,
            category_id=category if chance.random() < 0.9 else None,
            reviewer="a reviewer",
            decided_at=_BEGIN + timedelta(seconds=number),
            title=product.title if chance.random() < 0.9 else None,
            brand=product.brand,
            stores=product.stores,
            tags=(f"Tag {number % 50}", "everywhere"),
        )
        return StreamEvent(product.product_id.encode(), encode(verdict), [], "verdict")


def _published(product: Product, kind: str) -> StreamEvent:
    return StreamEvent(product.product_id.encode(), encode(product), [], kind)
