"""A person reviews what a real worker left to a person, on a real Kafka."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from itertools import count
from typing import IO

import msgspec
import pytest
from click.testing import CliRunner, Result

from schemas.events.codec import decode
from schemas.events.decision import CategoryAssigned, Decision, NeedsReview
from schemas.events.product import Affiliate, Product
from schemas.events.review import ReviewDecided
from schemas.taxonomy.tree import Taxonomy
from schemas.topics import (
    CATEGORIES_ASSIGNED,
    CATEGORIES_NEEDS_REVIEW,
    PRODUCTS_CHANGED,
    REVIEWS_DECIDED,
    STATISTICS_CHANGED,
)
from streams.cli import main
from streams.review.answer import Chosen
from streams.review.give import VerdictGiver
from streams.review.queue import ReviewQueue
from streams.review.verdicts import newest_verdicts
from tests.sample_model import sample_products
from tests.worker_harness import Installation, decisions, wait_until
from workers.bundle.taxonomy_file import load_taxonomy

DECISION: dict[str, object] = {
    "decision_id": "d",
    "product_id": "p",
    "confidence": 0.2,
    "alternatives": [],
    "evidence": [],
    "model_version": "m",
    "taxonomy_version": "t",
    "reason": "no_candidates",
}


def review(*arguments: str, typed: str = "", status: int = 0, color: bool = False) -> Result:
    command = ["review", "--reviewer", "desk 4", *arguments]
    result = CliRunner().invoke(main, command, input=typed, color=color)
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
        assert (verdict.decision_id, verdict.title, verdict.brand, verdict.stores, verdict.tags) == (
            decision.decision_id,
            decision.title,
            decision.brand,
            decision.stores,
            decision.tags,
        )
    titles = {product.product_id: product.title for product in vague}
    assert titles[chosen.product_id] in screen.stderr
    assert "'zzz' is not a number in the list" in screen.stderr
    left = len(waiting) - 2
    assert f"gave 2 verdicts; {left} products are still waiting" in screen.stderr
    assert f"gave 0 verdicts; {left} products are still waiting" in review(typed="").stderr


def test_a_verdict_on_one_product_is_given_without_being_asked(installation: Installation) -> None:
    tree = load_taxonomy(installation.bundle)
    path = tree.path_text(4)
    installation.send(CATEGORIES_NEEDS_REVIEW, "a", b"{}")
    installation.send(CATEGORIES_ASSIGNED, "b", b"{}")
    assert path in review("--product", "a", "--category", path.upper(), "--tag", "one", "--tag", "two").stdout
    assert "b: nowhere" in review("--product", "b", "--nowhere").stdout
    assert [verdict.tags for verdict in verdicts(installation)] == [("one", "two"), ()]
    assert {verdict.product_id: verdict.category_id for verdict in verdicts(installation)} == {
        "a": tree.ids[4],
        "b": None,
    }
    near = review("--product", "a", "--category", tree.names[4].lower().split()[0], status=2).output
    assert "the tree has no category" in near
    for arguments in (("--product", "a"), ("--nowhere",), ("--product", "a", "--nowhere", "--category", path)):
        assert "give --product together with either" in review(*arguments, status=2).output
    assert "--title and --tag need --product" in review("--tag", "one", status=2).output
    for product_id in ("", "x" * 257, "\udcff", "A"):
        told = review("--product", product_id, "--nowhere", "--title", "A thing", status=1).stderr
        assert f"no decision names the product {product_id!r}, and the verdict is not published" in told
    assert len(verdicts(installation)) == 2


@pytest.mark.parametrize("stages", [(), ("intake", "ranking", "learning")])
def test_a_verdict_stands_for_later_edits_until_the_title_changes(
    installation: Installation, stages: tuple[str, ...]
) -> None:
    """By ranking with recall beside it, and by itself; by a worker that has just started too."""
    product = Product(product_id="p", title="Thing nobody knows")
    prices = count(1)

    def edited(title: str = product.title) -> Decision:
        edit = msgspec.structs.replace(product, title=title, price=float(next(prices)))
        [(_, offset)] = installation.publish_products([edit])
        installation.wait_until_committed()
        [decision] = [each for each in decisions(installation) if each.source.offset == offset]
        waiting = b"p" in installation.latest(installation.name(CATEGORIES_NEEDS_REVIEW))
        assert waiting is isinstance(decision, NeedsReview)
        return decision

    def workers() -> ExitStack:
        stack = ExitStack()
        stack.enter_context(installation.worker(*stages))
        if stages:
            stack.enter_context(installation.worker("recall"))
        return stack

    with workers():
        assert isinstance(edited(), NeedsReview)
        category = load_taxonomy(installation.bundle).path_text(5)
        review(typed=f"{category}\nq\n")
        [verdict] = verdicts(installation)
        wait_until(lambda: edited().review_id == verdict.review_id, "the verdict stands")
    with workers():
        decision = edited("THING NOBODY KNOWS!")
        assert isinstance(decision, CategoryAssigned)
        assert (decision.review_id, decision.category.id) == (verdict.review_id, verdict.category_id)
        assert edited("Something else").review_id is None
        review("--product", "p", "--nowhere", "--title", "Something else")
        wait_until(lambda: edited("Something else").review_id is not None, "the second verdict stands")
        decision = edited("Something else")
        assert isinstance(decision, NeedsReview)
        assert decision.reason == "belongs_nowhere"
        assert "gave 0 verdicts; 0 products are still waiting" in review(typed="").stderr


def test_a_product_that_is_decided_anew_after_its_verdict_waits_again(installation: Installation) -> None:
    def decide(decision_id: str) -> None:
        event = DECISION | {"decision_id": decision_id, "source": {"topic": "t", "partition": 0, "offset": 0}}
        installation.send(CATEGORIES_NEEDS_REVIEW, "p", json.dumps(event).encode())

    def waits() -> int:
        with closing(ReviewQueue(installation.settings(), load_taxonomy(installation.bundle))) as queue:
            return len(queue.waiting())

    decide("first")
    assert waits() == 1
    review("--product", "p", "--nowhere")
    assert waits() == 0
    decide("second")
    assert waits() == 1
    gone = {"review_id": "r", "product_id": "p", "category_id": "gone", "reviewer": "one", "decision_id": "second"}
    value = json.dumps(gone | {"decided_at": "2026-01-02T03:04:05Z"}).encode()
    installation.send(REVIEWS_DECIDED, "p", value)
    assert waits() == 1, "a verdict for no category of the tree settles nothing"


def test_a_reviewer_goes_back_to_what_was_answered_or_skipped_and_the_last_answer_counts(
    installation: Installation,
) -> None:
    tree = load_taxonomy(installation.bundle)
    source = {"topic": installation.name(PRODUCTS_CHANGED), "partition": 0, "offset": 10_000}
    for product_id in ("p", "q", "r"):
        event = DECISION | {"product_id": product_id, "decision_id": product_id, "source": source}
        installation.send(CATEGORIES_NEEDS_REVIEW, product_id, json.dumps(event).encode())
    asked = review("--json", typed=f"n\nb\n{tree.ids[4]}\ns\nb\nn\nq\n")
    first, again, second = map(json.loads, asked.stdout.splitlines())
    assert (first["product_id"], first["category_id"]) == (again["product_id"], None)
    assert (again["category_id"], again["decision_id"]) == (tree.ids[4], first["decision_id"])
    assert second["product_id"] != first["product_id"]
    assert "you said: nowhere; s leaves it" in asked.stderr
    assert "gave 2 verdicts; 1 products are still waiting" in asked.stderr


def test_the_newest_message_on_a_product_tells_which_dead_verdicts_are_too_old(installation: Installation) -> None:
    for product_id, value in (("p", b"{}"), ("q", b"{}"), ("p", None)):
        installation.send(REVIEWS_DECIDED, product_id, value)
    newest = max(
        (message.partition(), message.offset())
        for message in installation.read(installation.name(REVIEWS_DECIDED))
        if message.key() == b"p"
    )
    found = newest_verdicts(installation.settings(), {b"p", b"r"})
    assert found == {(newest[0], b"p"): newest[1]}


def test_the_last_answer_too_can_be_gone_back_to(installation: Installation) -> None:
    tree = load_taxonomy(installation.bundle)
    source = {"topic": installation.name(PRODUCTS_CHANGED), "partition": 0, "offset": 10_000}
    event = DECISION | {"source": source, "title": "Thing"}
    installation.send(CATEGORIES_NEEDS_REVIEW, "p", json.dumps(event).encode())
    asked = review("--json", typed=f"n\nb\n{tree.ids[4]}\n\n")
    assert [json.loads(line)["category_id"] for line in asked.stdout.splitlines()] == [None, tree.ids[4]]
    assert "Thing\nits event has expired" in asked.stderr
    assert "gave 1 verdicts; 0 products are still waiting" in asked.stderr


def test_two_people_are_not_asked_about_the_same_products_in_the_same_order(installation: Installation) -> None:
    source = {"topic": installation.name(PRODUCTS_CHANGED), "partition": 0, "offset": 10_000}
    for number in range(20):
        event = DECISION | {"product_id": f"p{number}", "source": source}
        installation.send(CATEGORIES_NEEDS_REVIEW, f"p{number}", json.dumps(event).encode())
    one, other = (re.findall(r"of 20  (p\d+)", review(typed="s\n" * 20).stderr) for _ in range(2))
    assert set(one) == set(other)
    assert len(one) == 20
    assert one != other


def test_a_reviewer_is_asked_about_the_stores_and_the_part_of_the_tree_that_are_asked_for(
    installation: Installation,
) -> None:
    tree = load_taxonomy(installation.bundle)
    source = {"topic": installation.name(PRODUCTS_CHANGED), "partition": 0, "offset": 10_000}
    first, other = tree.roots[:2]

    def decide(product_id: str, node: int | None, *stores: str) -> None:
        likeliest = [] if node is None else [{"id": tree.ids[node], "path": list(tree.paths[node])}]
        alternatives = [{"category": category, "probability": 0.1} for category in likeliest]
        event = DECISION | {"product_id": product_id, "alternatives": alternatives, "stores": stores}
        installation.send(CATEGORIES_NEEDS_REVIEW, product_id, json.dumps(event | {"source": source}).encode())

    below = next(node for node in range(len(tree)) if tree.paths[node][:-1] == tree.paths[first])
    decide("at the top", first, "Lumo")
    decide("below it", below, "Bright", "lumo")
    decide("elsewhere", other, "Bright")
    decide("nowhere yet", None, "Lumo")

    def asked(*arguments: str) -> set[str]:
        return set(re.findall(r"of \d  (.*)", review(*arguments, typed="s\n" * 4).stderr))

    assert asked("--store", "lumo") == {"at the top", "below it", "nowhere yet"}
    assert asked("--store", "lumo", "--store", "Bright") == asked()
    assert asked("--under", tree.names[first]) == asked("--under", tree.ids[first]) == {"at the top", "below it"}
    assert asked("--under", tree.path_text(below)) == {"below it"}
    assert asked("--under", tree.names[first], "--store", "bright") == {"below it"}
    told = review("--under", tree.names[other], typed="n\n\n").stderr
    assert "gave 1 verdicts; 0 products are still waiting in this part, and 3 in others" in told
    assert "the tree has no category 'Moon'" in review("--under", "Moon", status=2).stderr
    assert "omit them with --product" in review("--product", "p", "--nowhere", "--store", "x", status=2).stderr


def test_what_a_search_finds_is_numbered_on_from_what_was_offered(installation: Installation) -> None:
    tree = load_taxonomy(installation.bundle)
    offered = {"category": {"id": tree.ids[4], "path": list(tree.paths[4])}, "probability": 0.1}
    source = {"topic": installation.name(PRODUCTS_CHANGED), "partition": 0, "offset": 10_000}
    for product_id in ("p", "q"):
        event = DECISION | {"product_id": product_id, "alternatives": [offered], "source": source}
        installation.send(CATEGORIES_NEEDS_REVIEW, product_id, json.dumps(event).encode())
    word = tree.names[tree.roots[0]].split()[0]
    asked = review("--json", typed=f"{word}\n1\n{word}\n2\n")
    chosen = [json.loads(line)["category_id"] for line in asked.stdout.splitlines()]
    assert chosen[0] == tree.ids[4] != chosen[1]


def test_what_became_of_a_product_while_others_were_asked_about_is_not_overruled(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another reviewer, and the worker, go on between the reading of the queue and each answer."""
    products = ("answered", "answered while shown", "assigned", "decided again while shown", "left")
    source = {"topic": installation.name(PRODUCTS_CHANGED), "partition": 0, "offset": 10_000}

    def decide(product_id: str, decision_id: str) -> None:
        event = DECISION | {"product_id": product_id, "decision_id": decision_id, "source": source}
        installation.send(CATEGORIES_NEEDS_REVIEW, product_id, json.dumps(event).encode())

    def another(product_id: str) -> None:
        VerdictGiver(installation.settings(), "desk 5", "1").give(product_id, None)

    meanwhile: dict[str, Callable[[], None]] = {
        "answered while shown": lambda: another("answered while shown"),
        "decided again while shown": lambda: decide("decided again while shown", "second"),
    }
    waiting = ReviewQueue.waiting

    def read_and_go_on(queue: ReviewQueue) -> list[NeedsReview]:
        found = waiting(queue)
        another("answered")
        installation.send(CATEGORIES_NEEDS_REVIEW, "assigned", None)
        return found

    def answer(_answers: IO[str], decision: NeedsReview, _taxonomy: Taxonomy) -> Chosen:
        meanwhile.get(decision.product_id, lambda: None)()
        return Chosen(None)

    for product_id in products:
        decide(product_id, "first")
    monkeypatch.setattr(ReviewQueue, "waiting", read_and_go_on)
    monkeypatch.setattr("streams.cli.review_session._ask", answer)
    told = review().stderr
    assert [(each.product_id, each.reviewer) for each in verdicts(installation) if each.reviewer == "desk 4"] == [
        ("left", "desk 4")
    ]
    for line in (
        "answered was answered meanwhile by desk 5; it is passed over",
        "answered while shown was answered meanwhile by desk 5; your verdict was not sent",
        "assigned was assigned or removed meanwhile; it is passed over",
        "decided again while shown was decided again and waits again; your verdict was not sent",
        "gave 1 verdicts; 1 products are still waiting",
    ):
        assert line in told.splitlines()


def test_what_a_feed_tells_of_a_product_is_shown_except_for_control_characters(installation: Installation) -> None:
    product = Product(
        product_id="\x1b[2Jp",
        title="\x1b[2JThing :heart:",
        description="long " * 100,
        affiliate=Affiliate(category="Lighting"),
        attributes={"colour": "black"},
        image_url="https://" + "picture/" * 100,
    )
    (place,) = installation.publish_products([product])
    source = {"topic": installation.name(PRODUCTS_CHANGED), "partition": place[0], "offset": place[1]}
    event = DECISION | {"product_id": product.product_id, "source": source, "reason": "new_store"}
    installation.send(CATEGORIES_NEEDS_REVIEW, product.product_id, json.dumps(event).encode())
    result = review(typed="n\n", color=True)
    for told in ("Lighting\n", "colour: black\n", "long long …\n", "picture/" * 100 + "\n"):
        assert told in result.stderr
    assert "[2Jp  (its store is new)" in result.stderr
    assert "[2JThing :heart:" in result.stderr
    assert "[2Jp: nowhere" in result.stdout
    assert "\x1b[2J" not in result.output


@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_answers_come_through_a_pipe_too_whatever_the_locale(installation: Installation, locale: str) -> None:
    source = {"topic": installation.name(PRODUCTS_CHANGED), "partition": 0, "offset": 10_000}
    for product_id in ("p", "q", "r"):
        event = DECISION | {"product_id": product_id, "source": source}
        installation.send(CATEGORIES_NEEDS_REVIEW, product_id, json.dumps(event).encode())
    command = [sys.executable, "-m", "streams.cli", "review", "--json", "--reviewer", "desk 4"]
    result = subprocess.run(
        command,
        input=b"n\n\xff\ns\nn\n",
        env=os.environ | {"LC_ALL": locale, "PYTHONUTF8": "0"},
        capture_output=True,
        check=True,
    )
    given = [json.loads(line)["product_id"] for line in result.stdout.splitlines()]
    assert (len(given), b"gave 2 verdicts" in result.stderr) == (2, True)


@pytest.mark.parametrize("other", ["expired", "of another product"])
def test_a_decision_whose_event_is_not_there_is_shown_all_the_same(installation: Installation, other: str) -> None:
    (place,) = installation.publish_products([Product(product_id="q", title="Another thing")])
    source = {"topic": installation.name(PRODUCTS_CHANGED), "partition": place[0]}
    event = DECISION | {"source": source | {"offset": place[1] if other == "of another product" else 10_000}}
    installation.send(CATEGORIES_NEEDS_REVIEW, "p", json.dumps(event).encode())
    shown = review(typed="").stderr
    assert "gave 0 verdicts; 1 products are still waiting" in shown.splitlines()
    assert "its event has expired" in shown
    assert "Another thing" not in shown
