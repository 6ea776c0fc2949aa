from __future__ import annotations

from pathlib import Path

from streams.metrics.document import document

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_page_on_metrics_is_what_the_definitions_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == document(), (
        "run: .venv/bin/python -m streams.metrics.document docs/metrics.md"
    )
