"""The learning logic against a recount, whatever is assigned, corrected, removed, repeated or out of order."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from schemas.events.learning import Said
from schemas.events.position import SourcePosition
from schemas.events.statistics import StatisticsChanged
from tests.learned_statistics import recount
from workers import learning
from workers.learning import DECISION_WEIGHT, VERDICT_WEIGHT, KeyStatistics, ProductState, Source

_TOPICS: tuple[Source, ...] = ("assigned", "needs_review", "verdict")
_KEYS = ("acme", "bolt", "one", "two", "desk", "new")
_products = st.sampled_from("pq")
_categories = st.sampled_from("xyz")
_brands = st.sampled_from(["Acme", "acme ", "Bolt", None])
_tags = st.lists(st.sampled_from(["desk", "new"]), max_size=2, unique=True).map(tuple)
_stores = st.lists(st.sampled_from(["one", "two"]), max_size=2, unique=True).map(tuple)


class LearningMachine(RuleBasedStateMachine):
    """Three logs, a reader that may go back in each, and changes that arrive once or more, in order of each key.

    The model is written anew here: what each product's latest decision, tombstones and verdict come to.
    """

    def __init__(self) -> None:
        super().__init__()
        self.logs: dict[Source, list[tuple[str, Said]]] = {topic: [] for topic in _TOPICS}
        self.read = dict.fromkeys(_TOPICS, 0)
        self.states: dict[str, ProductState] = {}
        self.changes: list[StatisticsChanged] = []
        self.arrived = 0
        self.counted: dict[tuple[str, str], KeyStatistics] = {}
        self.decided = 0
        self.crashed = False

    def publish(self, topic: Source, product: str, **said: object) -> None:
        log = self.logs[topic]
        log.append((product, Said(len(log), **said)))  # type: ignore[arg-type]

    @rule(product=_products, category=_categories, brand=_brands, stores=_stores)
    def assign(self, product: str, category: str, brand: str | None, stores: tuple[str, ...]) -> None:
        self.decided += 1
        self.publish("assigned", product, decided=self.decided, category=category, brand=brand, stores=stores)

    @rule(product=_products, brand=_brands, move=st.booleans())
    def ask_for_review(self, product: str, brand: str | None, move: bool) -> None:
        """A decision that counts nothing; where the product moves, its assignment is withdrawn."""
        self.decided += 1
        self.publish("needs_review", product, decided=self.decided, brand=brand)
        if move:
            self.publish("assigned", product, removed=True)

    @rule(product=_products, category=_categories, lag=st.integers(1, 3))
    def decide_an_older_event_late(self, product: str, category: str, lag: int) -> None:
        """As when a worker that was thought dead still sends: the later decision is the other topic's."""
        self.decided += 4
        self.publish("needs_review", product, decided=self.decided - lag)
        self.publish("assigned", product, decided=self.decided, category=category, brand="Acme")

    @rule(product=_products, category=st.none() | _categories, brand=_brands, tags=_tags)
    def judge(self, product: str, category: str | None, brand: str | None, tags: tuple[str, ...]) -> None:
        self.publish("verdict", product, category=category, brand=brand, tags=tags)

    @rule(product=_products)
    def withdraw_a_verdict(self, product: str) -> None:
        self.publish("verdict", product, removed=True)

    @rule(product=_products)
    def remove(self, product: str) -> None:
        for topic in ("assigned", "needs_review"):
            self.publish(topic, product, removed=True)

    @rule(topic=st.sampled_from(_TOPICS), count=st.integers(1, 4))
    def learn(self, topic: Source, count: int) -> None:
        for product, said in self.logs[topic][self.read[topic] :][:count]:
            self.read[topic] += 1
            position = SourcePosition(topic, 0, said.offset)
            state = self.states.get(product, ProductState())
            self.states[product], changes = learning.apply(state, topic, said, position)
            self.changes += changes

    @rule(topic=st.sampled_from(_TOPICS), count=st.integers(1, 2), lost=st.sets(st.sampled_from(_KEYS)))
    def crash(self, topic: Source, count: int, lost: set[str]) -> None:
        """Events were under way, at most one of a product: their states arrived, but not all of their changes.

        Until they are told again, another topic's event may take back what was never added.
        """
        self.crashed = True
        under_way: set[str] = set()
        for product, said in self.logs[topic][self.read[topic] :][:count]:
            if product in under_way:
                break
            under_way.add(product)
            position = SourcePosition(topic, 0, said.offset)
            state = self.states.get(product, ProductState())
            self.states[product], changes = learning.apply(state, topic, said, position)
            self.changes += [change for change in changes if change.key not in lost]

    @rule(topic=st.sampled_from(_TOPICS), back=st.integers(1, 6))
    def deliver_again(self, topic: Source, back: int) -> None:
        """A restart: the reader goes back to what was committed, the table has what it had."""
        self.read[topic] = max(self.read[topic] - back, 0)

    @rule(count=st.integers(1, 5))
    def count_changes(self, count: int) -> None:
        for change in self.changes[self.arrived :][:count]:
            self.arrived += 1
            key = (change.kind, change.key)
            self.counted[key], _ = learning.apply_changes(self.counted.get(key, KeyStatistics()), [change])

    @precondition(lambda self: self.arrived)
    @rule(back=st.integers(1, 8))
    def deliver_changes_again(self, back: int) -> None:
        self.arrived = max(self.arrived - back, 0)

    @precondition(lambda self: not self.crashed)
    @invariant()
    def a_product_counts_at_most_once_for_a_key(self) -> None:
        for counted in self.counted.values():
            total = sum(counted.weights.values())
            assert 0 <= total <= len("pq") * VERDICT_WEIGHT
            assert all(weight > 0 for weight in counted.weights.values())

    def teardown(self) -> None:
        for topic in _TOPICS:
            self.learn(topic, len(self.logs[topic]))
        self.count_changes(len(self.changes))
        weights = {key: counted.weights for key, counted in self.counted.items() if counted.weights}
        assert weights == recount(self.states)
        assert weights == self.expected()

    def expected(self) -> dict[tuple[str, str], dict[str, float]]:
        """Count by the logs alone."""
        found: dict[tuple[str, str], dict[str, float]] = {}
        for product in "pq":
            latest = {
                topic: next((said for name, said in reversed(log) if name == product), None)
                for topic, log in self.logs.items()
            }
            verdict = latest.pop("verdict")
            known = [said for said in latest.values() if said is not None]
            alive = sorted((said for said in known if not said.removed), key=lambda said: said.decided)
            if known and not alive:
                continue
            decision = alive[-1] if alive else None
            if verdict is not None and not verdict.removed:
                owner = verdict if decision is None or verdict.brand is not None else decision
                self.add(found, verdict.category, owner, VERDICT_WEIGHT, verdict.tags)
            elif decision is not None:
                self.add(found, decision.category, decision, DECISION_WEIGHT)
        return found

    @staticmethod
    def add(
        found: dict[tuple[str, str], dict[str, float]],
        category: str | None,
        owner: Said,
        weight: float,
        tags: tuple[str, ...] = (),
    ) -> None:
        if category is None:
            return
        keys = [("brand", owner.brand.strip().lower())] if owner.brand else []
        keys += [("store", store) for store in owner.stores]
        keys += [("tag", tag) for tag in tags]
        for key in keys:
            weights = found.setdefault(key, {})
            weights[category] = weights.get(category, 0.0) + weight


TestLearningMachine = LearningMachine.TestCase
TestLearningMachine.settings = settings(max_examples=150, stateful_step_count=40)
