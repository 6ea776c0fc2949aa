"""What each signal knows, and the contract that all keep."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.events.product import Affiliate, Product
from schemas.events.statistics import StatisticKind
from schemas.taxonomy.tree import Taxonomy
from workers.encoders.static import StaticEncoder
from workers.recall.batch import Batch
from workers.recall.encode import encode_products
from workers.signals.affiliate_category import AffiliateCategory
from workers.signals.base import Reference, Signal, TrainingSet
from workers.signals.brand_frequency import BrandFrequency
from workers.signals.category_words import CategoryWords
from workers.signals.closest_example import ClosestExample
from workers.signals.embedding_classifier import EmbeddingClassifier
from workers.signals.labelled_neighbours import LabelledNeighbours
from workers.signals.linear_parent import LinearParent
from workers.signals.linear_text import LinearText
from workers.signals.merchant_category import MerchantCategory
from workers.signals.naive_bayes import NaiveBayes
from workers.signals.ngram_vectors import NgramVectors
from workers.signals.price import Price
from workers.signals.registry import SIGNALS
from workers.signals.sibling_examples import MAXIMUM_SIBLINGS, SiblingExamples
from workers.signals.store_cooccurrence import StoreCooccurrence
from workers.signals.tags import Tags
from workers.signals.text_embedding import TextEmbedding
from workers.statistics import NoStatistics, Statistics

FittedSignal = TypeVar("FittedSignal", bound=Signal)

TREE = Taxonomy.from_paths("t", "1", ["Home > Lamps", "Home > Vases", "Sport > Balls", "Sport > Bikes"])
LAMPS, VASES, BALLS, BIKES = (
    TREE.index_of_path(path) for path in ("Home > Lamps", "Home > Vases", "Sport > Balls", "Sport > Bikes")
)
KINDS = {LAMPS: "table lamp", VASES: "glass vase", BALLS: "foot ball", BIKES: "road bike"}


def product(number: int, title: str, **fields: object) -> Product:
    return Product(product_id=f"p{number}", title=title, **fields)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def training() -> TrainingSet:
    products, labels = [], []
    for number in range(120):
        kind = list(KINDS)[number % 4]
        products.append(
            product(
                number,
                f"{KINDS[kind]} {number % 5} deluxe",
                brand="Lumo" if kind == LAMPS else "Vario",
                stores=("Lamp World",) if kind == LAMPS else ("Sale All", "Everything"),
                merchant_category="Home > Lights" if kind == LAMPS else "Sale",
                affiliate=Affiliate(network="Net", category="Leuchten") if kind == LAMPS else None,
                tags=("New", "For the desk") if kind == LAMPS else ("New",),
                price=20.0 + number,
                currency="EUR",
            )
        )
        labels.append(kind)
    encoder = StaticEncoder.pretrained()
    batch = encode_products(encoder, products, NoStatistics())
    return TrainingSet(batch, np.array(labels, np.int32), TREE, encoder.encode(TREE.names))


def fit(kind: type[FittedSignal], training: TrainingSet) -> FittedSignal:
    return kind.fit(training, Reference.of(training))


def silent(products: Sequence[Product], statistics: Statistics | None = None, dimensions: int = 256) -> Batch:
    """A batch of products whose texts say nothing."""
    vectors = np.zeros((len(products), dimensions), np.float32)
    return Batch(products, vectors, vectors, vectors, statistics or NoStatistics())


def best(signal: Signal, training: TrainingSet, *products: Product) -> list[int | None]:
    """The first candidate of each product."""
    rows, categories = signal.score(silent(products)).top(1)
    found = dict(zip(rows.tolist(), categories.tolist(), strict=True))
    return [found.get(row) for row in range(len(products))]


@pytest.mark.parametrize("kind", SIGNALS, ids=lambda kind: kind.name)
def test_the_labelled_products_of_these_tests_tell_each_signal_something(
    kind: type[Signal], training: TrainingSet
) -> None:
    rows, categories = np.divmod(np.arange(len(training.batch) * len(TREE)), len(TREE))
    scores = fit(kind, training).score(training.batch).at(rows, categories.astype(np.int32))
    knows = bool(np.isfinite(scores).any())
    assert knows, (
        f"{kind.name} knows nothing of the fixture `training`, so the other tests of every signal prove nothing "
        "about it: give the fixture's products the fields that it reads"
    )


@pytest.mark.parametrize("kind", SIGNALS, ids=lambda kind: kind.name)
def test_a_product_scores_the_same_alone_and_in_any_batch(kind: type[Signal], training: TrainingSet) -> None:
    signal = fit(kind, training)
    together = signal.score(training.batch)
    categories = np.arange(len(TREE), dtype=np.int32)
    for row in (0, 7, 119):
        alone = signal.score(training.batch.take(np.array([row])))
        expected = together.at(np.full(len(TREE), row), categories)
        assert np.array_equal(alone.at(np.zeros(len(TREE), np.int64), categories), expected, equal_nan=True)
        assert np.array_equal(alone.context[0], together.context[row], equal_nan=True)


@pytest.mark.parametrize("kind", SIGNALS, ids=lambda kind: kind.name)
def test_a_restored_signal_scores_as_the_fitted_one(kind: type[Signal], training: TrainingSet) -> None:
    fitted = fit(kind, training)
    restored = kind.restore(fitted.state(), Reference.of(training))
    rows = np.repeat(np.arange(len(training.batch)), len(TREE))
    categories = np.tile(np.arange(len(TREE), dtype=np.int32), len(training.batch))
    first, again = (signal.score(training.batch) for signal in (fitted, restored))
    assert np.array_equal(first.at(rows, categories), again.at(rows, categories), equal_nan=True)
    assert [found.tolist() for found in first.top(3)] == [found.tolist() for found in again.top(3)]


@pytest.mark.parametrize("kind", SIGNALS, ids=lambda kind: kind.name)
def test_context_columns_bear_the_name_of_their_signal(kind: type[Signal], training: TrainingSet) -> None:
    assert all(name.startswith(f"{kind.name}_") for name in kind.context_names)
    assert fit(kind, training).score(training.batch).context.shape == (120, len(kind.context_names))


@pytest.mark.parametrize(
    "kind",
    # The classifiers know at least which categories are common.
    [kind for kind in SIGNALS if kind not in (LinearText, NaiveBayes, EmbeddingClassifier)],
    ids=lambda kind: kind.name,
)
def test_a_product_that_says_nothing_gets_no_invented_candidate(kind: type[Signal], training: TrainingSet) -> None:
    assert best(fit(kind, training), training, product(0, "zzz")) == [None]


@pytest.mark.parametrize("kind", SIGNALS, ids=lambda kind: kind.name)
def test_a_created_parent_is_no_candidate(kind: type[Signal], training: TrainingSet) -> None:
    home = TREE.index_of_path("Home")
    assert not TREE.is_listed[home]

    class AllAtHome:
        def weights(self, kind: StatisticKind, key: str) -> Mapping[str, float]:
            return {TREE.ids[home]: 30.0}

    asked = product(1, "home", brand="Lumo", stores=("Home",), merchant_category="Home", tags=("Home",))
    batch = encode_products(StaticEncoder.pretrained(), [asked], AllAtHome())
    _, categories = fit(kind, training).score(batch).top(len(TREE))
    assert home not in categories


def test_the_nearest_category_text_is_named(training: TrainingSet) -> None:
    rows, categories = fit(TextEmbedding, training).score(training.batch).top(1)
    assert (categories == training.labels[rows]).mean() > 0.9


def test_a_word_in_common_decides_between_names_of_like_meaning(training: TrainingSet) -> None:
    tree = Taxonomy.from_paths("t", "1", ["Drinks > Ale", "Drinks > Beer", "Drinks > Lager"])
    encoder = StaticEncoder.pretrained()
    like = encoder.encode(["beer"] * len(tree))
    asked = encode_products(encoder, [product(1, "craft lager, 6 cans")], NoStatistics())
    signal = fit(CategoryWords, replace(training, taxonomy=tree, category_vectors=like))
    rows, categories = signal.score(asked).top(3)
    assert [tree.names[node] for node in categories] == ["Lager"]
    nodes = np.flatnonzero(tree.is_listed).astype(np.int32)
    scores = signal.score(asked).at(np.zeros(len(nodes), np.int64), nodes)
    assert scores.argmax() == nodes.tolist().index(categories[0])
    assert rows.tolist() == [0]


def test_neighbours_vote_for_their_own_category(training: TrainingSet) -> None:
    rows, categories = fit(LabelledNeighbours, training).score(training.batch).top(1)
    assert (categories == training.labels[rows]).all()


def test_a_merchants_text_means_what_its_products_were(training: TrainingSet) -> None:
    signal = fit(MerchantCategory, training)
    assert best(signal, training, product(1, "x", merchant_category="HOME >  lights")) == [LAMPS]
    assert best(signal, training, product(1, "x", merchant_category="New in / Lights")) == [LAMPS]


def test_a_merchants_text_of_white_space_is_read_as_soon_as_any_other() -> None:
    began = time.process_time()
    for number in range(200):
        MerchantCategory.keys(product(1, "x", merchant_category=f"{number}{' ' * 1_990}"))
    assert time.process_time() - began < 1


def test_a_merchants_text_that_names_a_category_needs_no_label(training: TrainingSet) -> None:
    assert best(
        fit(MerchantCategory, training), training, product(1, "x", merchant_category="Offers > vases")
    ) == [VASES]


def test_a_tag_counts_by_how_few_categories_it_is_found_in(training: TrainingSet) -> None:
    signal = fit(Tags, training)
    asked = product(1, "x", tags=("NEW", "for the desk"))
    scores = signal.score(silent([asked]))
    of_each = scores.at(np.zeros(4, np.int64), np.array([LAMPS, VASES, BALLS, BIKES], np.int32))
    # Products "for the desk", all lamps, weigh 1; those of "new", a quarter of each kind, a sixteenth.
    desk, new = 30 / 31, 30 / 121
    assert of_each[0] == pytest.approx((desk + new / 16) / (1 + 1 / 16))
    assert of_each[1:] == pytest.approx(new / 16 / (1 + 1 / 16))
    assert scores.context[0] == pytest.approx([np.log1p(30), 1])


def test_a_tag_that_no_product_has_speaks_where_it_names_a_category(training: TrainingSet) -> None:
    signal = fit(Tags, training)
    asked = [product(1, "x", tags=("Vases",)), product(2, "x", tags=("summer",)), product(3, "x", tags=("!",))]
    assert best(signal, training, *asked) == [VASES, None, None]
    assert not signal.score(silent(asked)).context.any()


def test_what_people_said_of_a_tag_moves_it_and_what_they_say_next_moves_it_again(training: TrainingSet) -> None:
    class Learned(NoStatistics):
        said: Mapping[str, float] = {}

        def weights(self, kind: StatisticKind, key: str) -> Mapping[str, float]:
            return self.said if (kind, key) == ("tag", "summer") else super().weights(kind, key)

    signal, learned = fit(Tags, training), Learned()
    asked = silent([product(1, "x", tags=("Summer",))], learned)
    found = []
    for said in ({}, {TREE.ids[BIKES]: 3.0}, {TREE.ids[BIKES]: 3.0, TREE.ids[BALLS]: 6.0, "gone": 99.0}):
        learned.said = said
        found.append(signal.score(asked).top(1)[1].tolist())
    assert found == [[], [BIKES], [BALLS]]
    assert signal.score(asked).context[0] == pytest.approx([np.log1p(9), 2 / 3])


def test_an_affiliates_category_counts_in_its_network_first(training: TrainingSet) -> None:
    signal = fit(AffiliateCategory, training)
    for network in ("Net", "Another"):
        asked = product(1, "x", affiliate=Affiliate(network=network, category="leuchten"))
        assert best(signal, training, asked) == [LAMPS]


def test_the_focus_of_a_brand_is_told(training: TrainingSet) -> None:
    signal = fit(BrandFrequency, training)
    batch = silent([product(1, "x", brand="LUMO"), product(2, "x", brand="Vario"), product(3, "x", brand="New")])
    focus = signal.score(batch).context[:, 1]
    assert focus[0] == 1
    assert focus[1] == pytest.approx(1 / 3)
    assert focus[2] == 0


def test_what_the_stream_learned_moves_a_brand(training: TrainingSet) -> None:
    class Learned:
        def weights(self, kind: StatisticKind, key: str) -> Mapping[str, float]:
            known = {TREE.ids[BIKES]: 90.0, "gone from the tree": 99.0}
            return known if (kind, key) == ("brand", "lumo") else {}

    signal = fit(BrandFrequency, training)
    asked = [product(1, "x", brand="Lumo")]
    assert best(signal, training, *asked) == [LAMPS]
    _, categories = signal.score(silent(asked, Learned())).top(1)
    assert categories.tolist() == [BIKES]


def test_all_stores_of_a_product_count(training: TrainingSet) -> None:
    signal = fit(StoreCooccurrence, training)
    assert best(signal, training, product(1, "x", stores=("lamp world",))) == [LAMPS]
    asked = silent([product(1, "x", stores=("Lamp World", "Everything"))])
    rows, _ = signal.score(asked).top(10)
    assert len(rows) == 4


def test_one_near_twin_outweighs_many_relatives_of_a_large_category(training: TrainingSet) -> None:
    rows, categories = fit(ClosestExample, training).score(training.batch).top(1)
    assert (categories == training.labels[rows]).all()


def test_the_classifier_of_meanings_knows_a_word_that_no_label_had(training: TrainingSet) -> None:
    encoder = StaticEncoder.pretrained()
    titles = ["bicycle", "crystal vases", "soccer"]
    products = [product(number, title, merchant_category="Sale") for number, title in enumerate(titles)]
    unseen = encode_products(encoder, products, NoStatistics())
    _, categories = fit(EmbeddingClassifier, training).score(unseen).top(1)
    assert categories.tolist() == [BIKES, VASES, BALLS]


def test_siblings_are_asked_before_strangers(training: TrainingSet) -> None:
    encoder = StaticEncoder.pretrained()
    asked = encode_products(encoder, [product(1, "vase", brand="LUMO"), product(2, "vase")], NoStatistics())
    rows, categories = fit(SiblingExamples, training).score(asked).top(4)
    assert rows.tolist() == [0]
    assert categories.tolist() == [LAMPS]


def test_of_a_large_shop_a_fair_sample_is_asked() -> None:
    products = [product(number, f"thing {number}", stores=("Shop",)) for number in range(4 * MAXIMUM_SIBLINGS)]
    labels = np.array([BALLS if number % 4 else BIKES for number in range(len(products))], np.int32)
    batch = encode_products(StaticEncoder.pretrained(), products, NoStatistics())
    scores = fit(SiblingExamples, TrainingSet(batch, labels, TREE, batch.vectors[: len(TREE)])).score(batch)
    assert set(scores.top(4)[1].tolist()) == {BALLS, BIKES}


def test_labelled_products_without_any_text_are_no_examples() -> None:
    training = TrainingSet(
        silent([product(1, "?", brand="Lumo")]),
        np.array([LAMPS], np.int32),
        TREE,
        np.zeros((len(TREE), 256), "f4"),
    )
    for kind in (LabelledNeighbours, ClosestExample, SiblingExamples):
        assert best(fit(kind, training), training, product(2, "lamp", brand="Lumo")) == [None]


def test_of_a_category_without_labelled_products_its_parent_is_known(training: TrainingSet) -> None:
    labelled = training.take(np.flatnonzero(training.labels != BIKES))
    asked = silent([product(1, "foot ball racing")])
    scores = (
        fit(LinearParent, labelled).score(asked).at(np.zeros(3, np.int64), np.array([BIKES, BALLS, LAMPS], "i4"))
    )
    assert scores[0] == scores[1] > scores[2]


def test_a_word_that_one_category_alone_has_speaks_for_it_to_naive_bayes(training: TrainingSet) -> None:
    assert best(fit(NaiveBayes, training), training, product(1, "glass deluxe", brand="Lumo")) == [VASES]


def ngram_vector_scores(training: TrainingSet, *titles: str) -> NDArray[np.float32]:
    """The score of each title (row) in each node (column)."""
    batch = silent([product(number, title) for number, title in enumerate(titles)])
    rows = np.repeat(np.arange(len(titles)), len(TREE))
    categories = np.tile(np.arange(len(TREE), dtype=np.int32), len(titles))
    return fit(NgramVectors, training).score(batch).at(rows, categories).reshape(len(titles), len(TREE))


def test_vectors_of_ngrams_tell_what_words_were_labelled(training: TrainingSet) -> None:
    scores = ngram_vector_scores(training, *KINDS.values())
    assert np.nanargmax(scores, axis=1).tolist() == list(KINDS)


def test_vectors_of_ngrams_know_nothing_of_a_category_without_products(training: TrainingSet) -> None:
    without = training.take(np.flatnonzero(training.labels != VASES))
    assert np.isnan(ngram_vector_scores(without, "glass vase")[0, VASES])
    (lamp,) = ngram_vector_scores(training.take(np.flatnonzero(training.labels == LAMPS)), "glass vase")
    assert lamp[LAMPS] == 0
    assert np.isnan(np.delete(lamp, LAMPS)).all()


_USUAL = {LAMPS: 25.0, VASES: 20.0, BALLS: 15.0, BIKES: 1_000.0}


@pytest.fixture(scope="module")
def price() -> Price:
    """Fitted on prices in euros and in yen; no vase has one."""
    products, labels = [], []
    for number in range(320):
        kind = list(KINDS)[number % 4]
        rate, currency = (1, "EUR") if number < 160 else (160, "JPY")
        amount = None if kind == VASES else rate * _USUAL[kind] * (0.9 + number % 3 / 10)
        products.append(product(number, "x", price=amount, currency=currency))
        labels.append(kind)
    nothing = np.zeros((len(TREE), 256), np.float32)
    return fit(Price, TrainingSet(silent(products), np.array(labels, np.int32), TREE, nothing))


def prices(signal: Price, asked: Product) -> dict[int, float]:
    """The score of each category that it knows of."""
    nodes = np.array(list(KINDS), np.int32)
    scores = signal.score(silent([asked])).at(np.zeros(len(nodes), np.int64), nodes)
    return {
        node: score for node, score in zip(nodes.tolist(), scores.tolist(), strict=True) if not np.isnan(score)
    }


def test_a_price_tells_categories_apart_and_proposes_none(price: Price) -> None:
    asked = product(1, "x", price=980.0, currency="EUR")
    found = prices(price, asked)
    assert max(found, key=found.__getitem__) == BIKES
    assert found[BIKES] > 0 > found[LAMPS]
    assert len(price.score(silent([asked])).top(3)[0]) == 0


def test_prices_are_compared_within_their_currency(price: Price) -> None:
    in_yen = prices(price, product(1, "x", price=2_400.0, currency="JPY"))
    assert max(in_yen, key=in_yen.__getitem__) == BALLS


@pytest.mark.parametrize(
    "fields", [{}, {"price": 0.0, "currency": "EUR"}, {"price": 20.0}, {"price": 20.0, "currency": "USD"}]
)
def test_nothing_is_known_of_a_product_without_a_price_that_can_be_compared(
    price: Price, fields: dict[str, object]
) -> None:
    assert prices(price, product(1, "x", **fields)) == {}


def test_a_price_says_nothing_of_a_category_that_has_none(price: Price) -> None:
    assert VASES not in prices(price, product(1, "x", price=20.0, currency="EUR"))


@pytest.mark.parametrize("amount", [5e-324, 1e12])
def test_a_slip_of_the_feed_is_no_proof(price: Price, amount: float) -> None:
    scores = prices(price, product(1, "x", price=amount, currency="EUR"))
    assert len(scores) == 3
    assert all(abs(score) <= 6 for score in scores.values())


def test_a_product_that_several_stores_sell_makes_none_of_them_known_twice(training: TrainingSet) -> None:
    """Ninety vases, balls and bikes are sold by both of two stores."""
    signal = fit(StoreCooccurrence, training)
    labelled = StoreCooccurrence.context_names.index("store_cooccurrence_labelled")
    asked = [
        product(0, "vase", stores=("Sale All", "Everything")),
        product(1, "vase", stores=("Sale All", "Nowhere")),
        product(2, "vase", stores=("Nowhere",)),
        product(3, "vase"),
    ]
    assert signal.score(silent(asked)).context[:, labelled].tolist()[:3] == [90, 90, 0]
    assert np.isnan(signal.score(silent(asked)).context[3, labelled])


def test_of_a_feature_that_all_of_a_large_category_have_naive_bayes_knows_exactly_how_much_there_is() -> None:
    """Summed in single precision a category had more of it than there was, and the weight was no number."""
    products = [product(number, "lamp", merchant_category="Home and garden > Lights") for number in range(12_000)]
    products += [product(number, "ball", merchant_category="Sport") for number in range(12_000, 12_200)]
    labels = np.array([LAMPS] * 12_000 + [BALLS] * 200, np.int32)
    nothing = np.zeros((len(products), 4), np.float32)
    batch = Batch(products, nothing, nothing, nothing, NoStatistics())
    known = TrainingSet(batch, labels, TREE, np.zeros((len(TREE), 4), np.float32))
    signal = fit(NaiveBayes, known)
    assert all(np.isfinite(values).all() for values in signal.state().arrays.values())
    NaiveBayes.restore(signal.state(), Reference.of(known))
    assert best(signal, known, product(1, "lamp"), product(2, "ball")) == [LAMPS, BALLS]
