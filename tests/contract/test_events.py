"""What crosses a boundary keeps its form, and what breaks its contract is refused with a reason."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import json_schema
from schemas.errors import InvalidEvent
from schemas.events import codec, dead_letter
from schemas.events.batch import BatchCompleted, BatchedProduct, EventOutcome, Outcome, ProductBatch
from schemas.events.cloudevents import EventType, headers
from schemas.events.decision import CategoryAssigned
from schemas.events.position import SourcePosition, decision_id
from schemas.events.product import MAX_EVENT_BYTES, Product, decode_product
from schemas.events.review import decode_verdict
from schemas.topics import TOPICS

GOOD = {"product_id": "p1", "title": "Table lamp"}


def reason_of(value: bytes, key: bytes | None = None) -> str:
    with pytest.raises(InvalidEvent) as caught:
        decode_product(value, key)
    assert caught.value.detail
    return caught.value.reason


def outcome_of(value: bytes) -> str:
    try:
        decode_product(value)
    except InvalidEvent as error:
        return error.reason
    return "good"


@pytest.mark.parametrize("name", list(json_schema.EVENTS))
def test_the_exported_json_schema_is_that_of_the_code(name: str) -> None:
    exported = (json_schema.DIRECTORY / f"{name}.schema.json").read_bytes()
    assert exported == json_schema.json_schema(name), "run `make schemas` and commit what it wrote"


def test_nothing_else_is_exported() -> None:
    assert {file.name for file in json_schema.DIRECTORY.iterdir()} == {
        f"{n}.schema.json" for n in json_schema.EVENTS
    }


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "malformed_json"),
        (b'{"product_id": "p1", "tit', "malformed_json"),
        (b'{"product_id": "p1", "title": "x", "price": NaN}', "malformed_json"),
        (b'{"product_id": "p1", "title": "x", "y": ' + b"[" * 100_000, "malformed_json"),
        (b'{"product_id": "p1", "title": "\xff"}', "invalid_utf8"),
        (b'{"product_id": "p1", "title": "x", "unknown": "\xff"}', "invalid_utf8"),
        (b"[]", "wrong_type"),
        (b"null", "wrong_type"),
        (b'{"product_id": 1, "title": "x"}', "wrong_type"),
        (b'{"product_id": "p1", "title": "x", "stores": "one"}', "wrong_type"),
        (b'{"product_id": "p1", "title": "x", "attributes": {"a": 1}}', "wrong_type"),
        (b'{"product_id": "p1", "title": "x", "tags": [1]}', "wrong_type"),
        (b'{"product_id": "p1", "title": "x", "updated_at": "2026-01-01T00:00:00"}', "wrong_type"),
        (b'{"title": "x"}', "missing_field"),
        (b'{"product_id": "p1"}', "missing_field"),
        (b'{"product_id": "", "title": "x"}', "out_of_bounds"),
        (b'{"product_id": "p1", "title": "x", "price": -1}', "out_of_bounds"),
        (b'{"product_id": "p1", "title": "x", "price": 1e999}', "out_of_bounds"),
        (b'{"product_id": "p1", "title": "x", "currency": "eur"}', "out_of_bounds"),
        (orjson.dumps(GOOD | {"title": "x" * 2_001}), "out_of_bounds"),
        (orjson.dumps(GOOD | {"description": "x" * 100_001}), "out_of_bounds"),
        (orjson.dumps(GOOD | {"stores": ["s"] * 101}), "out_of_bounds"),
        (orjson.dumps(GOOD | {"title": ""}), "empty_title"),
        (orjson.dumps(GOOD | {"title": " \t "}), "empty_title"),
        (orjson.dumps(GOOD | {"title": "\u200b\u00a0\ufeff"}), "empty_title"),
        (orjson.dumps({"product_id": None, "title": "lamp", "stores": None}), "wrong_type"),
        (orjson.dumps(GOOD | {"description": "x" * MAX_EVENT_BYTES}), "too_large"),
    ],
)
def test_a_bad_product_event_has_its_reason(value: bytes, reason: str) -> None:
    assert reason_of(value) == reason
    assert reason in set(dead_letter.Reason)


VERDICT = {
    "review_id": "r1",
    "product_id": "p1",
    "category_id": None,
    "reviewer": "desk 4",
    "decided_at": "2026-01-02T03:04:05Z",
}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "malformed_json"),
        (b'{"review_id": "\xff"}', "invalid_utf8"),
        (b"[]", "wrong_type"),
        (b"{}", "missing_field"),
        (orjson.dumps(VERDICT | {"category_id": 7}), "wrong_type"),
        (orjson.dumps(VERDICT | {"decided_at": "yesterday"}), "wrong_type"),
        (orjson.dumps(VERDICT | {"reviewer": "x" * 513}), "out_of_bounds"),
        (orjson.dumps(VERDICT | {"tags": ["t"] * 251}), "out_of_bounds"),
    ],
)
def test_a_bad_verdict_has_the_reason_that_a_bad_product_has(value: bytes, reason: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        decode_verdict(value, b"p1")
    assert caught.value.reason == reason


def test_the_key_must_be_the_products_id() -> None:
    assert reason_of(orjson.dumps(GOOD), b"p2") == "key_mismatch"
    assert decode_product(orjson.dumps(GOOD), b"p1").title == "Table lamp"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (b'["Sale", "Desk lamps"]', ("Sale", "Desk lamps")),
        (b'"Sale, Desk lamps,"', ("Sale", "Desk lamps")),
        (b'""', ()),
        (b"null", ()),
        (b"[]", ()),
    ],
)
def test_tags_are_a_list_or_the_text_that_shops_publish(tags: bytes, expected: tuple[str, ...]) -> None:
    product = decode_product(b'{"product_id": "p1", "title": "x", "tags": ' + tags + b"}")
    assert product.tag_list() == expected


def test_a_text_of_thousands_of_tags_is_cut() -> None:
    text = ",".join(map(str, range(5_000)))
    assert len(decode_product(orjson.dumps(GOOD | {"tags": text})).tag_list()) == 250


def test_unknown_fields_are_ignored_and_optional_ones_may_be_null() -> None:
    product = decode_product(orjson.dumps(GOOD | {"colour": "red", "brand": None, "stores": ["a"]}))
    assert (product.brand, product.stores, product.attributes) == (None, ("a",), {})


@given(st.binary(max_size=300))
def test_any_bytes_are_a_product_or_have_a_reason(value: bytes) -> None:
    assert outcome_of(value) in {"good", *dead_letter.Reason}


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**60), 2**60)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["product_id", "title", "brand", "stores", "affiliate", "attributes", "x"]),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_a_product_or_has_a_reason(value: object) -> None:
    assert outcome_of(orjson.dumps(value)) in {"good", *dead_letter.Reason}


@given(st.binary(max_size=200))
def test_any_bytes_are_one_of_our_events_or_refused(value: bytes) -> None:
    for kind in (ProductBatch, BatchCompleted, CategoryAssigned):
        with contextlib.suppress(InvalidEvent):
            codec.decode(value, kind)


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=5))
def test_a_batch_carries_an_events_bytes_unchanged(attributes: dict[str, str]) -> None:
    original = orjson.dumps(GOOD | {"attributes": attributes, "unknown": [1, {"a": None}]})
    item = BatchedProduct(7, 1_000, "p1", msgspec.Raw(original))
    batch = ProductBatch(
        batch_id="b",
        source_topic="t",
        source_partition=3,
        attempt=1,
        products=[item],
        settled=[EventOutcome(6, Outcome.SUPERSEDED)],
    )
    back = codec.decode(codec.encode(batch), ProductBatch)
    assert bytes(back.products[0].product) == original
    assert back.settled == batch.settled


def test_equal_events_give_equal_bytes_and_ids() -> None:
    source = SourcePosition("products.changed.v1", 3, 42)
    assert decision_id(source, "category.assigned") == decision_id(
        SourcePosition("products.changed.v1", 3, 42), "category.assigned"
    )
    assert decision_id(source, "category.assigned") == "1186c119-8a03-5d75-8fb7-126aab93f78b"
    others = {
        decision_id(source, "category.needs-review"),
        decision_id(SourcePosition("products.changed.v1", 3, 43), "category.assigned"),
    }
    assert len(others | {decision_id(source, "category.assigned")}) == 3


def test_headers_are_cloudevents_in_binary_mode() -> None:
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    found = dict(headers(EventType.CATEGORY_ASSIGNED, "id-1", subject="p1", time=when))
    assert found == {
        "ce_specversion": b"1.0",
        "ce_id": b"id-1",
        "ce_source": b"urn:shelfwise",
        "ce_type": b"shelfwise.category.assigned.v1",
        "ce_time": b"2026-01-02T03:04:05Z",
        "ce_subject": b"p1",
        "content-type": b"application/json",
    }


@given(st.lists(st.tuples(st.text(min_size=1, max_size=10), st.binary(max_size=10)), max_size=4))
def test_dead_letter_headers_keep_the_originals_and_replace_older_ones(original: list[tuple[str, bytes]]) -> None:
    first = dead_letter.DeadLetter(
        reason="malformed_json",
        detail="é" * 2_000,
        stage="intake",
        attempt=1,
        source_topic="t",
        source_partition=0,
        source_offset=5,
    )
    second = msgspec.structs.replace(first, detail="again", attempt=2)
    kept = [(name, value) for name, value in original if not name.startswith(dead_letter.PREFIX)]
    headers_twice = second.to_headers(first.to_headers(original))
    assert dead_letter.original_headers(headers_twice) == kept
    assert dead_letter.DeadLetter.from_headers(headers_twice) == second


def test_every_topic_is_named_once_with_a_version() -> None:
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)
    assert all(topic.name.endswith(".v1") for topic in TOPICS)


@pytest.mark.parametrize("field", [each.name for each in msgspec.structs.fields(Product) if not each.required])
def test_null_is_no_value_as_serialisers_write_it_for_what_nobody_set(field: str) -> None:
    assert decode_product(orjson.dumps(GOOD | {field: None})) == decode_product(orjson.dumps(GOOD))
    schema = json_schema.json_schema("products.changed.v1")
    published = orjson.loads(schema)["$defs"]["Product"]["properties"][field]
    assert {"type": "null"} in published.get("anyOf", ()) or "null" in published["type"]
