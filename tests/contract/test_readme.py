"""The README says what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streams.kafka.connection import KafkaConnection
from streams.settings import PREFIX, Settings

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - {"kafka"}))
def test_every_setting_is_in_the_table(name: str) -> None:
    assert f"`{PREFIX}{name.upper()}`" in README


def test_every_setting_of_the_connection_is_in_the_table() -> None:
    for name in KafkaConnection.model_fields:
        assert name.upper() in README


def test_no_setting_is_in_the_table_that_is_not_there() -> None:
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    named = {name.split("__")[0] for name in re.findall(r"`(SHELFWISE_[A-Z_]+)`", README)} - {PREFIX}
    assert named <= known
