"""A short run of the fuzzers, every time; `make fuzz` is the long one."""

from __future__ import annotations

import logging
from pathlib import Path
from random import Random

import orjson
import pytest

from schemas.errors import InvalidFile
from tests.fuzz.bundle_targets import bundle_targets
from tests.fuzz.event_targets import PRODUCTS, event_targets
from tests.fuzz.file_targets import file_targets
from tests.fuzz.mutation import mutate_bytes, mutate_json
from tests.fuzz.run import by_problem, run_inputs, shares
from tests.fuzz.target import Target

INPUTS = 6_000


def refuse(data: bytes, _chance: Random) -> None:
    if data.startswith(b"{"):
        raise InvalidFile("no")
    if len(data) > 100:
        raise IndexError("a bug")


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


def test_every_decoder_and_reader_takes_or_refuses_what_is_nearly_right(tmp_path: Path) -> None:
    targets = [*event_targets(), *file_targets(tmp_path)]
    for target in targets:
        tally = run_inputs(target, 1, range(shares(targets, INPUTS)[target.name]))
        assert not tally.findings, by_problem(tally.findings)


def test_an_altered_bundle_is_refused_by_the_name_of_its_file(tmp_path: Path, sample_bundle: Path) -> None:
    manifest, json_files, _ = bundle_targets(sample_bundle, tmp_path)
    for target, inputs in ((manifest, 300), (json_files, 5)):
        tally = run_inputs(target, 1, range(inputs))
        assert not tally.findings, by_problem(tally.findings)
        assert tally.refused


def test_an_error_that_is_no_refusal_is_a_finding_which_seed_and_number_make_again() -> None:
    target = Target("t", PRODUCTS, refuse)
    tally = run_inputs(target, 1, range(500))
    assert tally.accepted
    assert tally.refused
    assert tally.inputs == 500
    finding = tally.findings[0]
    assert finding.problem == "IndexError: a bug"
    with pytest.raises(IndexError):
        target.try_input(finding.seed, finding.number)


def test_inputs_are_made_of_the_seed_alone_and_mutated_json_is_json() -> None:
    for number in range(200):
        assert mutate_bytes(Random(number), PRODUCTS) == mutate_bytes(Random(number), PRODUCTS)
        data = mutate_json(Random(number), PRODUCTS)
        assert data == mutate_json(Random(number), PRODUCTS)
        orjson.loads(data)
