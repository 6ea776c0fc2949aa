"""Topics with other numbers of partitions than they must have are named, and the advice does not go in circles."""

from __future__ import annotations

import pytest

from streams.kafka.partition_numbers import wrong_numbers


def test_topics_that_are_as_the_settings_say_are_right() -> None:
    assert wrong_numbers({"products": 2, "decisions": 2}, 2) is None
    assert wrong_numbers({}, 2) is None


def test_where_all_topics_agree_the_setting_may_be_wrong() -> None:
    told = wrong_numbers({"products": 2, "decisions": 2}, 4)
    assert told is not None
    assert told.startswith("all 2 topics have 2 partitions, the settings say 4: set SHELFWISE_PARTITIONS=2.")
    assert str(wrong_numbers({"products": 2}, 4)).startswith("topic products has 2 partitions")


@pytest.mark.parametrize("setting", [2, 4, 8])
def test_where_topics_disagree_no_setting_is_advised_but_another_installation(setting: int) -> None:
    told = wrong_numbers({"products": 4, "batches": 2, "decisions": 2}, setting)
    assert told is not None
    assert told.startswith("topic products has 4 partitions, and all others (2) have 2: they must be equal.")
    assert "SHELFWISE_PARTITIONS=" not in told
    assert "set another SHELFWISE_TOPIC_PREFIX" in told
