from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from streams.metrics import DEFINITIONS

pytestmark = pytest.mark.contract

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = (DEPLOY / "prometheus" / "rules.yml").read_text(encoding="utf-8")
DASHBOARD = (DEPLOY / "grafana" / "dashboards" / "shelfwise.json").read_text(encoding="utf-8")

RECORDED = set(re.findall(r"record: (\S+)", RULES))
SHOWN = {definition.name for definition in DEFINITIONS}
SHOWN |= {
    f"{definition.name}_{part}"
    for definition in DEFINITIONS
    if definition.kind == "histogram"
    for part in ("bucket", "sum", "count")
}


def test_rules_are_made_of_metrics_that_exist() -> None:
    used = set(re.findall(r"\bshelfwise_\w+", re.sub(r"record: \S+", "", RULES)))
    assert used
    assert used <= SHOWN


def test_the_dashboard_shows_metrics_and_rules_that_exist() -> None:
    expressions = " ".join(
        target["expr"] for panel in json.loads(DASHBOARD)["panels"] for target in panel["targets"]
    )
    rules = set(re.findall(r"\bshelfwise:[\w:]+", expressions))
    metrics = set(re.findall(r"\bshelfwise_\w+", re.sub(r"\bshelfwise:[\w:]+", "", expressions)))
    assert rules <= RECORDED
    assert metrics <= SHOWN
    assert rules
    assert metrics


def test_the_page_on_metrics_names_every_rule() -> None:
    page = (DEPLOY.parent / "docs" / "metrics.md").read_text(encoding="utf-8")
    for rule in RECORDED:
        assert rule in page or f"`:{rule.rpartition(':')[2]}`" in page, rule
