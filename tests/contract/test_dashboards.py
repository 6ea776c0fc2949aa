from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.metrics import DEFINITIONS
from tests.deployment_files import documents

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = (DEPLOY / "prometheus" / "rules.yml").read_text(encoding="utf-8")
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "shelfwise.json").read_text(encoding="utf-8"))
PAGE = (DEPLOY.parent / "docs" / "metrics.md").read_text(encoding="utf-8")

RECORDED = set(re.findall(r"record: (\S+)", RULES))
ALERTS = set(re.findall(r"alert: (\S+)", RULES))
# What Prometheus adds.
ADDED = {"job", "instance"}
LABELS = {definition.name: {*definition.labels, *ADDED} for definition in DEFINITIONS}
LABELS |= {
    f"{definition.name}_{part}": {*definition.labels, *ADDED, *(["le"] if part == "bucket" else [])}
    for definition in DEFINITIONS
    if definition.kind == "histogram"
    for part in ("bucket", "sum", "count")
}


def expressions() -> Iterator[str]:
    """Yield every query of the rules and of the dashboard."""
    rule = re.compile(r"expr: (?:>-\n)?(.+?)\n(?= *(?:-|for|labels|annotations|\Z))", re.DOTALL)
    for lines in rule.findall(RULES + "\n"):
        yield " ".join(lines.split())
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])


EXPRESSIONS = list(expressions())


def test_all_rules_and_panels_are_looked_at() -> None:
    assert len(EXPRESSIONS) == RULES.count("expr:") + sum(len(panel["targets"]) for panel in DASHBOARD["panels"])


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_query_asks_for_metrics_rules_and_labels_that_exist(expression: str) -> None:
    rules = set(re.findall(r"\bshelfwise:[\w:]+", expression))
    metrics = set(re.findall(r"\bshelfwise_\w+", re.sub(r"\bshelfwise:[\w:]+", "", expression)))
    assert rules <= RECORDED
    assert metrics <= set(LABELS)
    assert rules or metrics
    for metric, selected in re.findall(r"(\bshelfwise_\w+)\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)\s*[=!]~?", selected)) <= LABELS[metric]
    grouped = ",".join(re.findall(r"\b(?:by|on) \(([^)]*)\)", expression))
    assert set(re.findall(r"\w+", grouped)) <= ADDED.union(*(LABELS[metric] for metric in metrics))


def test_the_page_on_metrics_names_every_rule_and_alert() -> None:
    for rule in RECORDED:
        assert rule in PAGE or f"`:{rule.rpartition(':')[2]}`" in PAGE, rule
    assert set(re.findall(r"`(Shelfwise\w+)`", PAGE)) == ALERTS


def test_alerts_fire_as_they_say() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool, which comes with Prometheus, is not there")
    rules = DEPLOY / "prometheus" / "rules.test.yml"
    done = subprocess.run([promtool, "test", "rules", rules], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    (rules,) = documents("prometheus", "rules.yml")
    alerts = [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
    assert {alert["alert"] for alert in alerts} == ALERTS
    for alert in alerts:
        assert {"summary", "description"} <= alert["annotations"].keys(), alert["alert"]
