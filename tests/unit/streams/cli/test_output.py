"""What commands say without a terminal, such as in a job's log."""

from __future__ import annotations

import pytest

from streams.cli import output


def test_a_log_tells_when_each_step_began_and_each_minute_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = 1_000.0
    monkeypatch.setattr(output, "monotonic", lambda: seconds)
    with output.steps_progress() as progress:
        progress("encoding", 0, 2_000)
        for done in (500, 1_000, 1_500):
            seconds += 40
            progress("encoding", done, 2_000)
        seconds += 5
        progress("signals", 0, 7)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "0:00:00 encoding ...",
        "0:01:20 encoding 1,000 of 2,000",
        "0:02:05 signals ...",
    ]
