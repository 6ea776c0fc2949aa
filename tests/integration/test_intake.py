"""Intake on a real Kafka: every event gets its outcome, and no offset is committed before that."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.producer import message_accumulator
from aiokafka.producer import producer as aiokafka_producer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client import CollectorRegistry

from schemas.errors import KafkaUnavailable
from schemas.events.batch import BatchCompleted, EventOutcome, Outcome, ProductBatch
from schemas.events.codec import decode, encode
from schemas.events.dead_letter import DeadLetter, Headers, original_headers
from schemas.events.product import Product
from schemas.topics import BATCHES_COMPLETED, PRODUCTS_BATCHED, PRODUCTS_CHANGED, PRODUCTS_DEAD_LETTER, Topic
from streams.health import Health
from streams.intake import Intake
from streams.intake.circuit import CLOSED
from streams.kafka.cluster import Cluster
from streams.kafka.topics import create_topics
from streams.local_flow import LocalFlow
from streams.metrics import Metrics
from streams.progress import committed_generation
from streams.settings import Settings
from tests.worker_harness import wait_until

PARTITIONS = 2
PATIENCE_SECONDS = 60.0
Answer = Callable[[ProductBatch], list[EventOutcome] | None]


def decide(batch: ProductBatch) -> list[EventOutcome]:
    return [EventOutcome(item.offset, Outcome.ASSIGNED) for item in batch.products] + batch.settled


class Downstream:
    """Stands for recall and ranking: reads batches and answers each as told; ``None`` is no answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._answer: Answer = decide
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.batches: list[ProductBatch] = []

    def answer(self, answer: Answer) -> None:
        self._answer = answer

    def __enter__(self) -> Downstream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_SECONDS)

    def _run(self) -> None:
        consumer = Consumer(self._settings.kafka.consumer_config("downstream"))
        producer = Producer(self._settings.kafka.producer_config())
        topic = self._settings.topic(PRODUCTS_BATCHED)
        consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        while not self._stop.is_set():
            for message in consumer.consume(100, 0.05):
                assert message.error() is None
                batch = decode(message.value(), ProductBatch)
                assert batch.source_partition == message.partition()
                outcomes = self._answer(batch)
                self.batches.append(batch)
                if outcomes is not None:
                    complete(producer, self._settings, batch, outcomes)
            producer.flush(PATIENCE_SECONDS)
        consumer.close()


def complete(producer: Producer, settings: Settings, batch: ProductBatch, outcomes: list[EventOutcome]) -> None:
    value = encode(BatchCompleted.of(batch, outcomes))
    producer.produce(settings.topic(BATCHES_COMPLETED), value, partition=batch.source_partition)


class LocalStages:
    """Stands for recall and ranking of intake's own process: an event loop that decides what it is handed."""

    def __init__(self, settings: Settings) -> None:
        self.flow = LocalFlow()
        self.batches: list[ProductBatch] = []
        self._settings = settings
        self._producer = Producer(settings.kafka.producer_config())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> LocalStages:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(PATIENCE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()
        self._producer.flush(PATIENCE_SECONDS)

    async def _open(self) -> None:
        self.flow.deliver_to(self._take)
        for number in range(PARTITIONS):
            self.flow.open(number)

    def _take(self, batches: Sequence[ProductBatch]) -> None:
        self.batches += batches
        for batch in batches:
            self.flow.decided(batch)
            complete(self._producer, self._settings, batch, decide(batch))
            self._producer.poll(0)


class Running:
    """An intake in its thread."""

    def __init__(self, settings: Settings, local: LocalFlow | None = None) -> None:
        self.registry = CollectorRegistry()
        self.health = Health()
        self.intake = Intake(settings, Metrics(self.registry), self.health, local)
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.intake.stop()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()
        assert self.failure is None

    def _run(self) -> None:
        try:
            self.intake.run()
        except BaseException as error:
            self.failure = error

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"shelfwise_{name}", labels) or 0.0

    def outcome(self, outcome: Outcome) -> float:
        return self.value("event_outcomes_total", outcome=str(outcome))


@contextmanager
def running(settings: Settings, local: LocalFlow | None = None) -> Iterator[Running]:
    intake = Running(settings, local)
    intake.start()
    try:
        yield intake
    finally:
        intake.stop()


@pytest.fixture
def settings(kafka: Cluster, topic_prefix: str) -> Settings:
    settings = Settings(
        kafka=kafka.connection,
        topic_prefix=topic_prefix,
        partitions=PARTITIONS,
        batch_products=16,
        window_batches=4,
        completion_timeout_seconds=60,
        drain_seconds=30,
    )
    create_topics(kafka.connection, partitions=PARTITIONS, prefix=topic_prefix)
    return settings


@pytest.fixture
def downstream(settings: Settings) -> Iterator[Downstream]:
    with Downstream(settings) as running_downstream:
        yield running_downstream


Event = tuple[bytes | None, bytes | None, Headers]


def product(number: int) -> Event:
    name = f"p{number}"
    return name.encode(), encode(Product(product_id=name, title=f"lamp {number}")), []


def publish(settings: Settings, events: list[Event]) -> None:
    producer = Producer(settings.kafka.producer_config())
    topic = settings.topic(PRODUCTS_CHANGED)
    for number, (key, value, headers) in enumerate(events):
        producer.produce(topic, value, key, headers=headers, partition=number % PARTITIONS)
    assert producer.flush(PATIENCE_SECONDS) == 0


def committed(settings: Settings) -> list[int]:
    """Return the committed offset of each partition, 0 where there is none."""
    consumer = Consumer(settings.kafka.consumer_config(settings.group("intake")))
    try:
        places = [TopicPartition(settings.topic(PRODUCTS_CHANGED), number) for number in range(PARTITIONS)]
        return [max(item.offset, 0) for item in consumer.committed(places, timeout=PATIENCE_SECONDS)]
    except KafkaException:
        return [0] * PARTITIONS
    finally:
        consumer.close()


def generations(settings: Settings) -> list[int | None]:
    """Return the generation that was committed for each partition."""
    consumer = Consumer(settings.kafka.consumer_config(settings.group("intake")))
    places = [TopicPartition(settings.topic(PRODUCTS_CHANGED), number) for number in range(PARTITIONS)]
    answer = consumer.committed(places, timeout=PATIENCE_SECONDS)
    consumer.close()
    return [committed_generation(item.metadata) for item in answer]


def read(settings: Settings, topic: Topic, count: int) -> list[Message]:
    consumer = Consumer(settings.kafka.consumer_config("reader"))
    consumer.assign([TopicPartition(settings.topic(topic), number, 0) for number in range(PARTITIONS)])
    found: list[Message] = []
    wait_until(lambda: len(found.__iadd__(consumer.consume(count, 0.2))) >= count, f"{count} of {topic.name}")
    consumer.close()
    return found


def test_every_event_is_packed_once_settled_and_committed(settings: Settings, downstream: Downstream) -> None:
    events = [product(number) for number in range(1_000)]
    publish(settings, events)
    with running(settings) as intake:
        wait_until(lambda: intake.outcome(Outcome.ASSIGNED) == 1_000, "all outcomes")
        wait_until(lambda: committed(settings) == [500, 500], "all commits")
        topic = settings.topic(PRODUCTS_CHANGED)
        for number in map(str, range(PARTITIONS)):
            wait_until(
                lambda n=number: intake.value("processed_offset", topic=topic, partition=n) == 500,  # type: ignore[misc]
                "the processed offset",
            )
            wait_until(
                lambda n=number: intake.value("committed_offset", topic=topic, partition=n) == 500,  # type: ignore[misc]
                "the committed offset",
            )
            assert intake.value("consumer_lag_events", topic=topic, partition=number) == 0
        assert intake.health.readiness().ok
    assert not intake.health.readiness().ok
    sent = [(item.product_id, bytes(item.product)) for batch in downstream.batches for item in batch.products]
    assert sorted(sent) == sorted((key.decode(), value) for key, value, _ in events if key and value)
    assert all(len(batch.products) <= 16 and batch.attempt == 1 for batch in downstream.batches)
    assert intake.value("events_received_total") == 1_000
    assert intake.value("batch_resends_total") == 0


@contextmanager
def aborted(settings: Settings, events: list[Event]) -> Iterator[None]:
    """Send events in a transaction that is open meanwhile, and then abort it."""
    producer = Producer(settings.kafka.producer_config({"transactional.id": settings.topic_prefix}))
    producer.init_transactions(PATIENCE_SECONDS)
    producer.begin_transaction()
    for number, (key, value, _) in enumerate(events):
        producer.produce(settings.topic(PRODUCTS_CHANGED), value, key, partition=number % PARTITIONS)
    producer.flush(PATIENCE_SECONDS)
    yield
    producer.abort_transaction(PATIENCE_SECONDS)


@pytest.mark.parametrize("most", [None, 16])
def test_an_intake_of_few_partitions_packs_large_batches_unless_it_is_told_otherwise(
    settings: Settings, downstream: Downstream, most: int | None
) -> None:
    publish(settings, [product(number) for number in range(3_000)])
    with running(settings.model_copy(update={"batch_products": most})):
        wait_until(lambda: sum(committed(settings)) == 3_000, "all commits")
    largest = max(len(batch.products) for batch in downstream.batches)
    assert largest == (most or 512 // PARTITIONS)


def test_events_of_an_aborted_transaction_do_not_wait_and_those_that_follow_are_decided(
    settings: Settings, downstream: Downstream
) -> None:
    def lag() -> list[float]:
        topic = settings.topic(PRODUCTS_CHANGED)
        return [
            intake.value("consumer_lag_events", topic=topic, partition=str(number)) for number in range(PARTITIONS)
        ]

    publish(settings, [product(number) for number in range(20)])
    with running(settings) as intake:
        wait_until(lambda: committed(settings) == [10, 10], "all commits")
        with aborted(settings, [product(number) for number in range(20, 30)]):
            wait_until(lambda: lag() == [5, 5], "the lag while it may yet be committed")
        wait_until(lambda: lag() == [0, 0], lambda: f"no lag, not {lag()}", PATIENCE_SECONDS)
        assert ends(settings, PRODUCTS_CHANGED) == [16, 16], "with a marker each"
        assert committed(settings) == [10, 10]
        publish(settings, [product(number) for number in range(30, 50)])
        wait_until(lambda: committed(settings) == [26, 26], "all commits")
    decided = Counter(item.product_id for batch in downstream.batches for item in batch.products)
    assert decided == Counter(f"p{number}" for number in (*range(20), *range(30, 50)))
    assert lost(intake, settings) == 0


def delete_before(settings: Settings, offset: int) -> None:
    """Delete events as retention does."""
    topic = settings.topic(PRODUCTS_CHANGED)
    admin = AdminClient(settings.kafka.client_config())
    for done in admin.delete_records(
        [TopicPartition(topic, number, offset) for number in range(PARTITIONS)]
    ).values():
        done.result(PATIENCE_SECONDS)


def lost(intake: Running, settings: Settings) -> float:
    return intake.value("events_lost_total", topic=settings.topic(PRODUCTS_CHANGED))


def test_events_that_were_deleted_while_no_worker_ran_are_reported(
    settings: Settings, downstream: Downstream, caplog: pytest.LogCaptureFixture
) -> None:
    publish(settings, [product(number) for number in range(20)])
    with running(settings):
        wait_until(lambda: committed(settings) == [10, 10], "all commits")
    publish(settings, [product(number) for number in range(20, 60)])
    delete_before(settings, 30)
    with running(settings) as intake:
        wait_until(lambda: committed(settings) == [30, 30], "commits of what is no more")
        assert lost(intake, settings) == 40
    assert (
        f"{settings.topic(PRODUCTS_CHANGED)}/0: offsets 10 to 29 were deleted before they were read" in caplog.text
    )
    with running(settings) as intake:
        wait_until(lambda: intake.health.readiness().ok, "the partitions")
        assert lost(intake, settings) == 0, "reported once"


def test_events_that_were_deleted_while_intake_was_behind_are_reported(
    settings: Settings, downstream: Downstream
) -> None:
    go_on = threading.Event()
    downstream.answer(lambda batch: decide(batch) if go_on.wait(PATIENCE_SECONDS) else None)
    publish(settings, [product(number) for number in range(10_000)])
    with running(settings) as intake:
        wait_until(lambda: intake.value("batches_in_flight") == 8, "full windows")
        delete_before(settings, 4_900)
        go_on.set()
        wait_until(lambda: committed(settings) == [5_000, 5_000], "all commits")
        wait_until(lambda: lost(intake, settings) > 0, "the report")
        wait_until(
            lambda: lost(intake, settings) + intake.outcome(Outcome.ASSIGNED) == 10_000,
            "a report of every event without an outcome",
        )


def test_nothing_is_committed_past_a_batch_that_is_not_completed(
    settings: Settings, downstream: Downstream
) -> None:
    held: list[ProductBatch] = []

    def hold_the_first(batch: ProductBatch) -> list[EventOutcome] | None:
        if batch.source_partition == 0 and batch.products[0].offset == 0:
            held.append(batch)
            return None
        return decide(batch)

    downstream.answer(hold_the_first)
    publish(settings, [product(number) for number in range(2_000)])
    with running(settings) as intake:
        wait_until(lambda: committed(settings)[1] == 1_000, "the commits of the other partition")
        # The window lets three more batches through, and then no more until the first is completed.
        wait_until(lambda: len([b for b in downstream.batches if b.source_partition == 0]) == 4, "a full window")
        assert committed(settings)[0] == 0
        # The other three are completed; they only cannot be committed.
        wait_until(lambda: intake.value("batches_in_flight") == 1, "one batch in flight")
        producer = Producer(settings.kafka.producer_config())
        for _ in range(2):  # the second time it is no news
            complete(producer, settings, held[0], decide(held[0]))
        producer.flush(PATIENCE_SECONDS)
        wait_until(lambda: committed(settings) == [1_000, 1_000], "all commits")
    assert intake.outcome(Outcome.ASSIGNED) == 2_000
    assert len({batch.batch_id for batch in downstream.batches}) == len(downstream.batches)


def test_a_batch_whose_completion_is_lost_is_sent_again_with_the_same_id(
    settings: Settings, downstream: Downstream
) -> None:
    downstream.answer(lambda batch: decide(batch) if batch.attempt > 2 else None)
    impatient = settings.model_copy(update={"completion_timeout_seconds": 0.2})
    publish(settings, [product(number) for number in range(20)])
    with running(impatient) as intake:
        wait_until(lambda: committed(settings) == [10, 10], "all commits")
    attempts = Counter((batch.batch_id, batch.attempt) for batch in downstream.batches)
    ids = {batch.batch_id for batch in downstream.batches}
    assert {attempt for _, attempt in attempts} >= {1, 2, 3}
    assert all(attempts[name, attempt] == 1 for name in ids for attempt in (1, 2, 3))
    assert intake.outcome(Outcome.ASSIGNED) == 20
    assert intake.value("batch_resends_total") >= 2 * len(ids)


def test_bad_and_failed_events_become_dead_letters_with_their_original_bytes(
    settings: Settings, downstream: Downstream
) -> None:
    def fail_one(batch: ProductBatch) -> list[EventOutcome]:
        return [
            EventOutcome(item.offset, Outcome.FAILED, "ranking: RuntimeError: no")
            if item.product_id == "p6"
            else EventOutcome(item.offset, Outcome.ASSIGNED)
            for item in batch.products
        ] + batch.settled

    downstream.answer(fail_one)
    too_large = b'{"product_id": "huge", "title": "' + b"x" * 7_000_000 + b'"}'
    events = [product(number) for number in range(10)]
    events[3] = (b"\xff", b'{"broken', [("trace", b"\x00\x01")])
    events[4] = (None, None, [])
    events[5] = (b"huge", too_large, [])
    events[6] = (b"p6", events[6][1], [("trace", b"six")])
    publish(settings, events)
    with running(settings) as intake:
        wait_until(lambda: committed(settings) == [5, 5], "all commits")
    letters = {
        DeadLetter.from_headers(message.headers() or []).reason: message
        for message in read(settings, PRODUCTS_DEAD_LETTER, 4)
    }
    expected = {"malformed_json": 3, "missing_key": 4, "too_large": 5, "processing_failed": 6}
    assert set(letters) == set(expected)
    for reason, number in expected.items():
        message = letters[reason]
        headers = message.headers() or []
        assert (message.key(), message.value(), original_headers(headers)) == events[number]
        letter = DeadLetter.from_headers(headers)
        assert (letter.source_topic, letter.source_partition) == (settings.topic(PRODUCTS_CHANGED), number % 2)
        assert letter.source_offset == number // 2
    failed = DeadLetter.from_headers(letters["processing_failed"].headers() or [])
    assert (failed.stage, failed.detail) == ("ranking", "RuntimeError: no")
    assert intake.outcome(Outcome.DEAD_LETTER) == 4
    assert intake.outcome(Outcome.ASSIGNED) == 6
    assert intake.value("dead_letters_total", reason="processing_failed", stage="ranking") == 1


class Latin1(str):
    """A name that is written in Latin-1, as a client in C may do."""

    __slots__ = ()

    def encode(self, *_: str) -> bytes:
        return super().encode("latin-1")


async def _publish_with_header(settings: Settings, name: str, events: list[Event]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers) as producer:
        topic = settings.topic(PRODUCTS_CHANGED)
        for key, value, _ in events:
            await producer.send_and_wait(topic, value, key, partition=0, headers=[(name, b"1")])


def test_a_header_whose_name_is_no_utf8_costs_the_event_nothing_but_its_headers(
    settings: Settings, downstream: Downstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library raises on such headers: a worker that ends of it ends again at each start."""
    # The one in Cython takes no other string than Python's own.
    for module in (aiokafka_producer, message_accumulator):
        monkeypatch.setattr(module, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
    # Enough of them for CPython to specialise calls.
    asyncio.run(_publish_with_header(settings, Latin1("caf\xe9"), [product(number) for number in range(40)]))
    publish(settings, [product(number) for number in range(40, 42)])
    with running(settings) as intake:
        wait_until(lambda: committed(settings) == [41, 1], "all commits")
    assert intake.outcome(Outcome.ASSIGNED) == 42


def test_of_an_event_that_only_compression_brought_in_the_beginning_is_a_dead_letter(
    settings: Settings, downstream: Downstream
) -> None:
    """Larger than any message that we send: refused by our own producer, whatever the broker would say."""
    value = b'{"product_id": "huge", "title": "' + b"x" * 20_000_000 + b'"}'
    producer = Producer(settings.kafka.producer_config({"message.max.bytes": 100_000_000}))
    producer.produce(settings.topic(PRODUCTS_CHANGED), value, b"huge", partition=0, headers=[("trace", b"1")])
    assert producer.flush(PATIENCE_SECONDS) == 0
    publish(settings, [product(0)])
    with running(settings) as intake:
        wait_until(lambda: committed(settings) == [2, 0], "all commits")
    (message,) = read(settings, PRODUCTS_DEAD_LETTER, 1)
    letter = DeadLetter.from_headers(message.headers() or [])
    assert (letter.reason, letter.source_offset, message.key()) == ("too_large", 0, b"huge")
    assert value.startswith(message.value() or b"-")
    assert "the first bytes are kept of 20,000," in letter.detail
    assert intake.outcome(Outcome.ASSIGNED) == 1


def test_an_event_that_cannot_be_done_is_found_and_costs_no_other_its_outcome(
    settings: Settings, downstream: Downstream
) -> None:
    """Without a bound on the attempts the batch that holds it is sent again for ever, and nothing is committed."""
    downstream.answer(
        lambda batch: None if any(item.product_id == "p24" for item in batch.products) else decide(batch)
    )
    publish(settings, [product(number) for number in range(200)])
    impatient = settings.model_copy(update={"completion_timeout_seconds": 0.2, "batch_attempts": 2})
    with running(impatient) as intake:
        wait_until(lambda: committed(settings) == [100, 100], "all commits")
    (message,) = read(settings, PRODUCTS_DEAD_LETTER, 1)
    letter = DeadLetter.from_headers(message.headers() or [])
    assert (letter.reason, letter.stage, message.key()) == ("gave_up", "intake", b"p24")
    assert letter.detail.startswith("gave up after ")
    assert intake.outcome(Outcome.ASSIGNED) == 199
    assert intake.outcome(Outcome.DEAD_LETTER) == 1
    assert intake.value("batch_parts_total") > 2


def test_a_lone_event_that_cannot_be_done_is_given_up_where_nothing_else_is_published(
    settings: Settings, downstream: Downstream
) -> None:
    downstream.answer(lambda batch: None if batch.products else [])
    publish(settings, [product(0)])
    impatient = settings.model_copy(update={"completion_timeout_seconds": 0.2, "batch_attempts": 2})
    with running(impatient):
        wait_until(lambda: committed(settings) == [1, 0], "the commit")
    (message,) = read(settings, PRODUCTS_DEAD_LETTER, 1)
    assert DeadLetter.from_headers(message.headers() or []).reason == "gave_up"


def test_a_release_that_fails_stops_intake_instead_of_draining_the_topic_into_the_dead_letters(
    settings: Settings, downstream: Downstream
) -> None:
    """And goes on by itself once a probe is worked on: nothing is skipped."""
    healthy = threading.Event()

    def answer(batch: ProductBatch) -> list[EventOutcome]:
        outcome, detail = (Outcome.ASSIGNED, None) if healthy.is_set() else (Outcome.FAILED, "ranking: no model")
        return [EventOutcome(item.offset, outcome, detail) for item in batch.products] + batch.settled

    downstream.answer(answer)
    careful = settings.model_copy(update={"breaker_events": 100, "breaker_pause_seconds": 0.3})
    publish(settings, [product(number) for number in range(2_000)])
    with running(careful) as intake:
        wait_until(lambda: intake.value("circuit_breaker_open") == 1, "the breaker to open")
        assert intake.health.readiness().detail["missing"] == (CLOSED,)
        probed = len(downstream.batches)
        wait_until(lambda: len(downstream.batches) >= probed + 2, "two probes")
        in_flight = PARTITIONS * settings.window_batches * settings.most_products(PARTITIONS)
        died = intake.outcome(Outcome.DEAD_LETTER)
        assert died <= 25 + in_flight + 8 * len(downstream.batches)
        healthy.set()
        wait_until(lambda: committed(settings) == [1_000, 1_000], "all commits")
        assert intake.value("circuit_breaker_open") == 0
        assert intake.health.readiness().ok
    assert intake.outcome(Outcome.ASSIGNED) + intake.outcome(Outcome.DEAD_LETTER) == 2_000
    assert intake.outcome(Outcome.ASSIGNED) > 1_000


def test_while_nothing_is_completed_no_more_is_held_than_windows_and_backlogs(
    settings: Settings, downstream: Downstream
) -> None:
    """Ranking stands still, or is slower than recall: counts, not times, for a slow machine is slow too."""
    held: list[ProductBatch] = []
    downstream.answer(held.append)
    publish(settings, [product(number) for number in range(30_000)])
    most_held = PARTITIONS * (settings.window_batches + 8) * settings.most_products(PARTITIONS)
    with running(settings) as intake:
        wait_until(lambda: len(held) == PARTITIONS * settings.window_batches, "full windows")
        wait_until(lambda: intake.value("batches_in_flight") == PARTITIONS * settings.window_batches, "the metric")
        received = intake.value("events_received_total")
        producer = Producer(settings.kafka.producer_config())
        for _ in range(20):  # one batch at a time is completed, and one is sent for it
            before = len(downstream.batches)
            complete(producer, settings, held[0], decide(held.pop(0)))
            producer.flush(PATIENCE_SECONDS)
            wait_until(lambda n=before: len(downstream.batches) > n, "the next batch")  # type: ignore[misc]
            assert len(held) <= PARTITIONS * settings.window_batches
        # A read brings up to 2,001 events of a partition before it is paused.
        assert received <= most_held + PARTITIONS * 2_001
        assert intake.value("events_received_total") == received
        downstream.answer(decide)
        for batch in held:
            complete(producer, settings, batch, decide(batch))
        producer.flush(PATIENCE_SECONDS)
        wait_until(lambda: committed(settings) == [15_000, 15_000], "all commits")


def test_what_was_in_flight_at_the_end_is_read_again_by_the_next_intake(
    settings: Settings, downstream: Downstream
) -> None:
    downstream.answer(lambda _: None)
    publish(settings, [product(number) for number in range(200)])
    with running(settings.model_copy(update={"drain_seconds": 0.1})):
        wait_until(lambda: len(downstream.batches) >= 2, "some batches")
    assert committed(settings) == [0, 0]
    downstream.answer(decide)
    with running(settings) as second:
        wait_until(lambda: committed(settings) == [100, 100], "all commits")
    assert second.outcome(Outcome.ASSIGNED) == 200


def test_stopping_waits_for_what_is_in_flight_and_commits_it(settings: Settings, downstream: Downstream) -> None:
    go = threading.Event()

    def slowly(batch: ProductBatch) -> list[EventOutcome]:
        go.wait(PATIENCE_SECONDS)
        return decide(batch)

    downstream.answer(slowly)
    publish(settings, [product(number) for number in range(20)])
    intake = Running(settings)
    intake.start()
    wait_until(lambda: intake.value("events_received_total") == 20, "all events")
    wait_until(lambda: len(read(settings, PRODUCTS_BATCHED, 2)) >= 2, "both batches")
    intake.intake.stop()
    go.set()
    intake.stop()
    assert committed(settings) == [10, 10]


def test_a_second_worker_takes_half_and_a_leaving_one_gives_its_half_back(
    settings: Settings, downstream: Downstream
) -> None:
    events = [product(number) for number in range(3_000)]
    publish(settings, events[:1_000])
    with running(settings) as first:
        wait_until(lambda: first.value("events_received_total") > 0, "the first events")
        with running(settings) as second:
            wait_until(lambda: second.health.readiness().ok, "an assignment of the second")
            publish(settings, events[1_000:2_000])
            wait_until(lambda: committed(settings) == [1_000, 1_000], "the commits of both")
            assert second.value("events_received_total") > 0
        publish(settings, events[2_000:])
        wait_until(lambda: committed(settings) == [1_500, 1_500], "the commits of the first")
    decided = {item.product_id for batch in downstream.batches for item in batch.products}
    assert decided == {f"p{number}" for number in range(3_000)}


def test_a_new_owner_says_so_with_its_first_commit_before_it_sends_anything(
    settings: Settings, downstream: Downstream
) -> None:
    downstream.answer(lambda _: None)
    quick = settings.model_copy(update={"drain_seconds": 0.1})
    publish(settings, [product(number) for number in range(200)])

    def owners() -> set[tuple[int, int | None]]:
        return {(batch.source_partition, batch.generation) for batch in downstream.batches}

    with running(quick):
        wait_until(lambda: len(owners()) == PARTITIONS, "batches of the first owner")
        assert generations(settings) == [0] * PARTITIONS
    with running(quick):
        wait_until(lambda: len(owners()) == 2 * PARTITIONS, "batches of both owners")
        marks = generations(settings)
    assert owners() == {(number, owner) for number in range(PARTITIONS) for owner in (0, marks[number])}
    assert committed(settings) == [0] * PARTITIONS


def test_with_recall_in_its_process_no_batch_goes_through_kafka_and_each_owner_has_a_later_generation(
    settings: Settings,
) -> None:
    def decide_all_of(owner: int, events: list[Event]) -> None:
        with LocalStages(settings) as stages, running(settings, stages.flow) as intake:
            publish(settings, events)
            wait_until(lambda: intake.outcome(Outcome.ASSIGNED) == 500, "all outcomes")
            wait_until(lambda: committed(settings) == [250 * (owner + 1)] * PARTITIONS, "all commits")
            assert generations(settings) == [owner] * PARTITIONS
        decided = [item.product_id for batch in stages.batches for item in batch.products]
        assert Counter(decided) == Counter(name.decode() for name, _, _ in events if name)

    for owner in range(2):
        decide_all_of(owner, [product(number) for number in range(500 * owner, 500 * (owner + 1))])
    assert ends(settings, PRODUCTS_BATCHED) == [0] * PARTITIONS


def ends(settings: Settings, topic: Topic) -> list[int]:
    consumer = Consumer(settings.kafka.consumer_config("reader"))
    places = [TopicPartition(settings.topic(topic), number) for number in range(PARTITIONS)]
    found = [consumer.get_watermark_offsets(place, PATIENCE_SECONDS)[1] for place in places]
    consumer.close()
    return found


def test_completions_that_make_no_sense_are_ignored(settings: Settings, downstream: Downstream) -> None:
    publish(settings, [product(number) for number in range(20)])
    with running(settings) as intake:
        wait_until(lambda: intake.health.readiness().ok, "an assignment")
        producer = Producer(settings.kafka.producer_config())
        for value in (b"{", b"\xff", b"{}", None):
            producer.produce(settings.topic(BATCHES_COMPLETED), value, partition=0)
        producer.flush(PATIENCE_SECONDS)
        wait_until(lambda: committed(settings) == [10, 10], "all commits")
    assert intake.outcome(Outcome.ASSIGNED) == 20


def test_stopping_before_the_start_ends_at_once(settings: Settings) -> None:
    health = Health()
    intake = Intake(settings, Metrics(CollectorRegistry()), health)
    intake.stop()
    intake.run()
    assert not health.readiness().ok


def test_a_producer_that_can_send_no_more_ends_the_intake(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poll(_: object) -> None:
        raise KafkaUnavailable("the producer can send no more")

    monkeypatch.setattr("streams.intake.outbox.Outbox.poll", poll)
    health = Health()
    with pytest.raises(KafkaUnavailable, match="no more"):
        Intake(settings, Metrics(CollectorRegistry()), health).run()
    assert health.liveness().detail["loops"] == {}
