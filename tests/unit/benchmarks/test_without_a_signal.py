"""Taking a signal away leaves what the others said, and nothing of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.quality.ours import load_candidates, methods, save_candidates, without
from workers.recall.candidates import Candidates
from workers.signals.registry import SIGNALS

NAMES = tuple(signal.name for signal in SIGNALS)
CONTEXT = tuple(name for signal in SIGNALS for name in signal.context_names)


def candidates(proposed: np.ndarray, offsets: list[int]) -> Candidates:
    rows = len(proposed)
    return Candidates(
        signals=NAMES,
        context_names=CONTEXT,
        offsets=np.array(offsets, np.int64),
        categories=np.arange(rows, dtype=np.int32),
        scores=np.arange(rows * len(NAMES), dtype=np.float32).reshape(rows, -1),
        proposed=proposed,
        context=np.arange((len(offsets) - 1) * len(CONTEXT), dtype=np.float32).reshape(len(offsets) - 1, -1),
    )


def test_a_candidate_that_the_signal_alone_proposed_goes_with_it() -> None:
    proposed = np.zeros((5, len(NAMES)), np.bool_)
    proposed[[0, 1, 4], 1] = True
    proposed[[1, 2, 3], 2] = True
    whole = candidates(proposed, [0, 2, 4, 5])
    found = without(whole, NAMES[1])
    assert found.categories.tolist() == [1, 2, 3]
    assert found.offsets.tolist() == [0, 1, 3, 3]  # of the third product nothing is left
    others = [place for place in range(len(NAMES)) if place != 1]
    assert found.scores.tolist() == whole.scores[1:4, others].tolist()


@pytest.mark.parametrize("signal", SIGNALS, ids=NAMES)
def test_the_signal_is_gone_with_its_context_and_no_other_is(signal: type) -> None:
    whole = candidates(np.ones((4, len(NAMES)), np.bool_), [0, 2, 4])
    found = without(whole, signal.name)  # type: ignore[attr-defined]
    assert set(NAMES) - set(found.signals) == {signal.name}  # type: ignore[attr-defined]
    assert set(CONTEXT) - set(found.context_names) == set(signal.context_names)  # type: ignore[attr-defined]
    assert found.context.shape == (2, len(found.context_names))
    assert found.categories.tolist() == whole.categories.tolist()


def test_there_is_an_ablation_for_each_signal() -> None:
    assert methods() == ["ours", "ours_cascade", *(f"ours_without_{name}" for name in NAMES)]


def test_a_signal_that_does_not_exist_cannot_be_taken_away() -> None:
    with pytest.raises(ValueError, match="no_such"):
        without(candidates(np.ones((1, len(NAMES)), np.bool_), [0, 1]), "no_such")


def test_candidates_are_read_back_as_they_were_stored(tmp_path: Path) -> None:
    whole = candidates(np.ones((4, len(NAMES)), np.bool_), [0, 2, 4])
    save_candidates(tmp_path / "c.npz", whole, np.array([1, 0]))
    found, order = load_candidates(tmp_path / "c.npz")
    assert (found.signals, found.context_names, order.tolist()) == (NAMES, CONTEXT, [1, 0])
    assert np.array_equal(found.scores, whole.scores)
    assert found.proposed.dtype == np.bool_
