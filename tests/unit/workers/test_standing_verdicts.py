"""What a person said of a product stands for its later edits, as long as the product keeps its title."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from schemas.events.batch import CandidateProduct, Outcome
from schemas.events.decision import CategoryAssigned, NeedsReview
from schemas.events.position import SourcePosition
from schemas.events.product import Product
from schemas.events.review import ReviewDecided
from schemas.taxonomy import Taxonomy
from tests import decisions
from workers.decisions import decision_event
from workers.ranking.ranking import Prediction
from workers.sample import sample_taxonomy
from workers.standing_verdicts import StandingVerdict, StandingVerdicts, overrule

TREE = sample_taxonomy()
ONE, OTHER = np.flatnonzero(TREE.is_listed)[:2].tolist()
TITLE = "Desk lamp, black"
MODEL = Prediction(Outcome.BACKED_OFF, 2, 0.7, 0.4, ((1, 0.4), (0, 0.3)), (), also=(3,))


def verdict(
    node: int | None = ONE, *, title: str | None = TITLE, review_id: str = "r", category: str = ""
) -> ReviewDecided:
    category_id = category or (None if node is None else TREE.ids[node])
    return decisions.verdict(category_id, title=title, review_id=review_id)


def after(*verdicts: ReviewDecided | None) -> StandingVerdicts:
    found = StandingVerdicts(TREE)
    for offset, each in enumerate(verdicts):
        found.add("p", offset, each)
    return found


@pytest.mark.parametrize("title", [TITLE, "DESK LAMP - black ", "desk  lamp black"])
def test_a_verdict_stands_whatever_becomes_of_case_punctuation_and_white_space(title: str) -> None:
    assert after(verdict(OTHER)).of("p", title) == StandingVerdict(0, hash("desk lamp black"), OTHER, "r")


@pytest.mark.parametrize("title", ["Desk lamp, white", "Desk", None])
def test_a_verdict_does_not_stand_for_another_title(title: str | None) -> None:
    assert after(verdict()).of("p", title) is None
    assert after(verdict()).of("q", TITLE) is None


def test_a_verdict_without_a_title_stands_for_nothing_and_ends_the_one_before() -> None:
    assert after(verdict(), verdict(title=None)).of("p", TITLE) is None


def test_the_last_verdict_stands_until_it_is_taken_back() -> None:
    standing = after(verdict(ONE, review_id="a"), verdict(OTHER, review_id="b")).of("p", TITLE)
    assert standing is not None
    assert (standing.node, standing.review_id) == (OTHER, "b")
    assert after(verdict(), None).of("p", TITLE) is None


def test_a_verdict_that_was_sent_again_does_not_overrule_a_later_one() -> None:
    found = StandingVerdicts(TREE)
    found.add("p", 7, None)
    found.add("p", 3, verdict())
    assert found.of("p", TITLE) is None


def test_a_verdict_for_no_category_of_the_tree_ends_the_one_before_as_compaction_does() -> None:
    assert after(verdict(), verdict(category="no such")).of("p", TITLE) is None


def test_a_verdict_for_a_category_that_the_tree_does_not_list_does_not_stand() -> None:
    tree = Taxonomy.from_paths("t", "1", ["Home > Lamps"])
    found = StandingVerdicts(tree)
    for place, (path, stands) in enumerate([("Home", False), ("Home > Lamps", True)]):
        category = tree.ids[tree.index_of_path(path)]
        found.add("p", place, verdict(category=category))
        assert (found.of("p", TITLE) is not None) is stands


@pytest.mark.parametrize(("version", "stands"), [(TREE.version, True), (None, True), ("another", False)])
def test_that_a_product_belongs_nowhere_stands_for_the_tree_of_which_it_was_said(
    version: str | None, stands: bool
) -> None:
    said = msgspec.structs.replace(verdict(None), taxonomy_version=version)
    assert (after(said).of("p", TITLE) is not None) is stands


def test_a_person_assigns_with_confidence_1_and_the_models_evidence() -> None:
    decision = _decided(OTHER)
    assert isinstance(decision, CategoryAssigned)
    assert (decision.category.id, decision.confidence, decision.backed_off) == (TREE.ids[OTHER], 1.0, False)
    assert (decision.also, decision.review_id, decision.title) == ((), "r", TITLE)
    assert [item.category.id for item in decision.alternatives] == [TREE.ids[1], TREE.ids[0]]


def test_a_product_that_belongs_nowhere_is_assigned_no_category_and_says_that_a_person_said_so() -> None:
    decision = _decided(None)
    assert isinstance(decision, NeedsReview)
    assert (decision.reason, decision.confidence, decision.review_id) == ("belongs_nowhere", 0.4, "r")


def _decided(node: int | None) -> CategoryAssigned | NeedsReview:
    standing = after(verdict(node)).of("p", TITLE)
    assert standing is not None
    product = CandidateProduct.of(Product(product_id="p", title=TITLE), 0)
    return decision_event(overrule(MODEL, standing), product, SourcePosition("feed", 0, 0), TREE, "m")
