"""What commands say without a terminal, such as in a job's log."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from streams.cli import fit_report, output


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


@pytest.mark.parametrize(("is_terminal", "whole"), [(False, True), (True, False)])
def test_names_of_figures_are_whole_in_a_pipe_and_fit_into_a_terminal(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, whole: bool
) -> None:
    shown = io.StringIO()
    screen = Console(file=shown, width=60, force_terminal=is_terminal, color_system=None, highlight=False)
    monkeypatch.setattr(fit_report, "console", lambda: screen)
    manifest = SimpleNamespace(
        model_version="m", taxonomy_name="t", taxonomy_version="1", encoder="e", cascade_encoder=None
    )
    report: Any = SimpleNamespace(manifest=manifest, metrics={"out_of_fold": {"of_" * 20 + "all": 1}})
    fit_report.print_figures(report)
    lines = shown.getvalue().splitlines()
    assert any(f"out of fold: {'of ' * 20}all" in line for line in lines) == whole
    assert (max(map(len, lines)) <= 60) == is_terminal
