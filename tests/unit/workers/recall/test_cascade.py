"""A cascade asks its sentence encoder about what the first signals doubt, and about nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.errors import InvalidBundle
from tests.sample_model import sample_products
from workers.bundle.bundle import Bundle, load_bundle
from workers.encoders.static import StaticEncoder
from workers.fit.fit import CascadeOptions, FitOptions, fit
from workers.fit.labels import LabelledProducts, label_products
from workers.recall.candidates import Candidates
from workers.recall.cascade import PREFIX, Cascade, lead, unasked
from workers.recall.encode import encode_products
from workers.recall.recall import Recall
from workers.sample import sample_taxonomy
from workers.signals.ask import ask
from workers.statistics import NoStatistics

TREE = sample_taxonomy()
PRODUCTS = [row.product for row in sample_products(8, 200)]
SHARE = 0.3


class Reading(StaticEncoder):
    """Remembers what it read."""

    read: list[str]

    @property
    def is_cheap(self) -> bool:
        return False

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.read = list(texts)
        return super().encode(texts)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    directory = tmp_path_factory.mktemp("cascade") / "bundle"
    labelled = label_products(sample_products(7, 500), TREE)
    options = FitOptions(cascade=CascadeOptions(StaticEncoder.pretrained(), SHARE), folds=2)
    fit(labelled, TREE, directory, options)
    return load_bundle(directory)


@pytest.fixture
def cascade(bundle: Bundle) -> Cascade:
    assert bundle.recall.cascade is not None
    return bundle.recall.cascade


def with_cascade(bundle: Bundle, cascade: Cascade) -> Recall:
    recall = bundle.recall
    return Recall(recall.encoder, recall.signals, recall.reference, cascade)


def leads(bundle: Bundle) -> NDArray[np.float32]:
    recall = bundle.recall
    batch = encode_products(recall.encoder, PRODUCTS, NoStatistics())
    return lead(ask(recall.signals, batch), len(PRODUCTS))


def test_about_the_share_asked_for_is_doubted(bundle: Bundle, cascade: Cascade) -> None:
    assert abs(np.mean(leads(bundle) < cascade.sure_lead) - SHARE) < 0.12


def test_the_sentence_encoder_reads_what_is_doubted_and_nothing_else(bundle: Bundle, cascade: Cascade) -> None:
    reading = Reading.pretrained()
    candidates = with_cascade(bundle, replace(cascade, encoder=reading)).candidates(PRODUCTS, NoStatistics())
    doubted = leads(bundle) < cascade.sure_lead
    assert reading.read == [
        " ".join(filter(None, (product.title, product.merchant_category)))
        for product, doubt in zip(PRODUCTS, doubted, strict=True)
        if doubt
    ]
    columns = [name.startswith(PREFIX) for name in candidates.signals]
    sure = ~doubted[candidates.product_of_row]
    assert np.isnan(candidates.scores[sure][:, columns]).all()
    assert not candidates.proposed[sure][:, columns].any()
    assert candidates.proposed[~sure][:, columns].any()


@pytest.mark.parametrize("sure_lead", [-1.0, 0.4, np.inf])
def test_what_was_asked_and_then_hidden_is_as_if_it_had_not_been_asked(
    bundle: Bundle, cascade: Cascade, sure_lead: float
) -> None:
    def found(limit: float) -> Candidates:
        return with_cascade(bundle, replace(cascade, sure_lead=limit)).candidates(PRODUCTS, NoStatistics())

    asked, hidden = found(sure_lead), unasked(found(np.inf), leads(bundle) >= sure_lead)
    for name in ("offsets", "categories", "scores", "proposed", "context"):
        np.testing.assert_array_equal(getattr(asked, name), getattr(hidden, name), err_msg=name)


def test_a_product_is_decided_alike_alone_and_in_any_batch(bundle: Bundle) -> None:
    together = bundle.ranking.decide(bundle.recall.candidates(PRODUCTS, NoStatistics()))
    for number in range(0, len(PRODUCTS), 11):
        alone = bundle.ranking.decide(bundle.recall.candidates([PRODUCTS[number]], NoStatistics()))
        assert alone == [together[number]]


def test_evidence_names_the_signals_of_the_sentence_encoder(bundle: Bundle) -> None:
    verdicts = bundle.ranking.decide(bundle.recall.candidates(PRODUCTS, NoStatistics()))
    assert PREFIX + "text_embedding" in {each.signal for verdict in verdicts for each in verdict.evidence}
    assert bundle.manifest.cascade_encoder == "static-256"


def test_a_damaged_file_of_the_cascade_is_refused_by_name(bundle: Bundle) -> None:
    file = bundle.directory / "cascade" / "signals" / "embedding_classifier.safetensors"
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[:-1])
        with pytest.raises(InvalidBundle, match=r"cascade/signals/embedding_classifier\.safetensors"):
            load_bundle(bundle.directory)
    finally:
        file.write_bytes(whole)


def test_without_labels_all_is_asked_about(tmp_path: Path) -> None:
    none = LabelledProducts([], np.empty(0, np.int32), 0, 0)
    fit(none, TREE, tmp_path / "bundle", FitOptions(cascade=CascadeOptions(StaticEncoder.pretrained(), SHARE)))
    cascade = load_bundle(tmp_path / "bundle").recall.cascade
    assert cascade is not None
    assert cascade.sure_lead == np.inf
