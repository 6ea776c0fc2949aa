"""A person reviews what a real worker left to a person, on a real Kafka."""

from __future__ import annotations

import json

import msgspec
import pytest
from click.testing import CliRunner, Result

from schemas.events.codec import decode
from schemas.events.decision import NeedsReview
from schemas.events.product import Product
from schemas.events.review import ReviewDecided
from schemas.topics import CATEGORIES_NEEDS_REVIEW, REVIEWS_DECIDED, STATISTICS_CHANGED
from streams.cli import main
from tests.sample_model import sample_products
from tests.worker_harness import Installation, wait_until
from workers.bundle.bundle import load_taxonomy

pytestmark = pytest.mark.integration


def review(*arguments: str, typed: str = "", status: int = 0) -> Result:
    result = CliRunner().invoke(main, ["review", "--reviewer", "desk 4", *arguments], input=typed)
    assert result.exit_code == status, result.output
    return result


def verdicts(installation: Installation) -> list[ReviewDecided]:
    found = installation.read(installation.name(REVIEWS_DECIDED))
    return [decode(message.value(), ReviewDecided) for message in found]


def test_a_person_is_asked_about_what_waits_and_each_verdict_moves_the_statistics(
    installation: Installation,
) -> None:
    vague = [
        msgspec.structs.replace(row.product, title=f"Thing {number}", description=None, merchant_category=None)
        for number, row in enumerate(sample_products(23, 60))
    ]
    with installation.worker():
        installation.publish_products(vague)
        installation.wait_until_committed()
        waiting = {
            decision.product_id: decision
            for value in installation.latest(installation.name(CATEGORIES_NEEDS_REVIEW)).values()
            for decision in [decode(value, NeedsReview)]
        }
        assert len(waiting) > 4
        screen = review("--json", typed="1\nzzz\nn\ns\nq\n")
        given = verdicts(installation)
        source = installation.name(REVIEWS_DECIDED).encode()
        changes = installation.name(STATISTICS_CHANGED)
        wait_until(
            lambda: any(source in message.value() for message in installation.read(changes)),
            "a verdict moves the statistics",
        )
    printed = [json.loads(line)["product_id"] for line in screen.stdout.splitlines()]
    assert printed == [item.product_id for item in sorted(given, key=lambda item: item.decided_at)]
    by_choice = {verdict.category_id is None: verdict for verdict in given}
    chosen, nowhere = by_choice[False], by_choice[True]
    assert chosen.category_id == waiting[chosen.product_id].alternatives[0].category.id
    assert {chosen.reviewer, nowhere.reviewer} == {"desk 4"}
    for verdict in given:
        decision = waiting[verdict.product_id]
        assert (verdict.decision_id, verdict.brand, verdict.stores) == (
            decision.decision_id,
            decision.brand,
            decision.stores,
        )
    titles = {product.product_id: product.title for product in vague}
    assert titles[chosen.product_id] in screen.stderr
    assert "no category of the tree has the words 'zzz'" in screen.stderr
    left = len(waiting) - 2
    assert f"gave 2 verdicts; {left} products wait" in screen.stderr
    assert f"gave 0 verdicts; {left} products wait" in review(typed="").stderr


def test_a_verdict_on_one_product_is_given_without_being_asked(installation: Installation) -> None:
    tree = load_taxonomy(installation.bundle)
    path = tree.path_text(4)
    assert path in review("--product", "a", "--category", path.upper()).stdout
    assert "b: nowhere" in review("--product", "b", "--nowhere").stdout
    assert {verdict.product_id: verdict.category_id for verdict in verdicts(installation)} == {
        "a": tree.ids[4],
        "b": None,
    }
    near = review("--product", "a", "--category", tree.names[4].lower().split()[0], status=2).output
    assert "the tree has no category" in near
    for arguments in (("--product", "a"), ("--nowhere",), ("--product", "a", "--nowhere", "--category", path)):
        assert "--product wants either" in review(*arguments, status=2).output


def test_a_decision_whose_event_has_expired_is_shown_all_the_same(installation: Installation) -> None:
    (place,) = installation.publish_products([Product(product_id="p", title="Thing")])
    decision = {
        "decision_id": "d",
        "product_id": "p",
        "confidence": 0.2,
        "alternatives": [],
        "evidence": [],
        "model_version": "m",
        "taxonomy_version": "t",
        "reason": "no_candidates",
    }
    source = {"topic": installation.prefix + "products.changed.v1", "partition": place[0], "offset": 10_000}
    installation.send(CATEGORIES_NEEDS_REVIEW, "p", json.dumps(decision | {"source": source}).encode())
    assert "its event has expired" in review(typed="s\n").stderr
