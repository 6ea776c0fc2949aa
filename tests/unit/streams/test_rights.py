"""What a worker must be allowed follows from its stages."""

from __future__ import annotations

from streams.faust_app import STAGES
from streams.kafka.rights import Right
from streams.rights import needed_rights
from streams.settings import Settings

_SETTINGS = Settings(topic_prefix="shop.")


def test_ranking_reads_candidates_and_writes_decisions_and_completions() -> None:
    found = {right for right in needed_rights(_SETTINGS, ["ranking"]) if right.operation != "DESCRIBE"}
    assert found == {
        Right("READ", "topic", "shop.candidates.v1"),
        Right("READ", "group", "shop.shelfwise-ranking"),
        Right("READ", "topic", "shop.reviews.decided.v1"),
        Right("WRITE", "topic", "shop.categories.assigned.v1"),
        Right("WRITE", "topic", "shop.categories.needs-review.v1"),
        Right("WRITE", "topic", "shop.batches.completed.v1"),
    }


def test_every_stage_sees_all_topics_which_the_worker_watches() -> None:
    for stage in STAGES:
        seen = {right.name for right in needed_rights(_SETTINGS, [stage]) if right.operation == "DESCRIBE"}
        assert {"shop.reviews.decided.v1", "shop.shelfwise-recall-product_digests-changelog"} <= seen


def test_recall_and_ranking_read_what_was_learned_unless_that_is_off() -> None:
    learned = Right("READ", "topic", "shop.shelfwise-learning-brand_frequency-changelog")
    verdicts = Right("READ", "topic", "shop.reviews.decided.v1")
    off = _SETTINGS.model_copy(update={"learning": False})
    assert learned in needed_rights(_SETTINGS, ["recall"])
    assert learned not in needed_rights(off, ["recall"])
    assert verdicts in needed_rights(_SETTINGS, ["ranking"])
    assert verdicts not in needed_rights(off, ["ranking"])


def test_a_stage_reads_and_writes_the_changelogs_of_its_own_tables() -> None:
    name = "shop.shelfwise-recall-product_digests-changelog"
    own = {Right("READ", "topic", name), Right("WRITE", "topic", name)}
    assert own <= needed_rights(_SETTINGS, ["recall"])
    assert own.isdisjoint(needed_rights(_SETTINGS, ["learning"]))
