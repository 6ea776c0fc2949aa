"""The services of deploy/compose.yaml fit together, and nothing outside the machine reaches them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from streams.kafka.connection import MAX_MESSAGE_BYTES
from streams.kafka.container import IMAGE as KAFKA_IMAGE
from streams.settings import Settings
from tests.deployment_files import BEYOND_DRAIN_SECONDS, DEPLOY, IMAGE, documents, settings_of

(COMPOSE,) = documents("compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WORKER = SERVICES["worker"]
KAFKA: dict[str, str] = SERVICES["kafka"]["environment"]
(PROMETHEUS,) = documents("prometheus", "prometheus.compose.yml")


@pytest.fixture(name="settings")
def _settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    return settings_of(WORKER["environment"], monkeypatch)


def mounts(service: str) -> dict[str, str]:
    """Return what a service finds where, of the checkout's files and of volumes."""
    found = {}
    for mount in SERVICES[service]["volumes"]:
        source, target = (mount["source"], mount["target"]) if isinstance(mount, dict) else mount.split(":")[:2]
        found[target] = source
    return found


def test_images_are_pinned() -> None:
    assert SERVICES["kafka"]["image"] == KAFKA_IMAGE
    assert WORKER["image"] == IMAGE
    assert all(re.search(r":v?\d+\.\d+\.\d+$", service["image"]) for service in SERVICES.values())


def test_ports_are_published_on_loopback_only() -> None:
    assert all(port.startswith("127.0.0.1:") for service in SERVICES.values() for port in service.get("ports", []))


def test_every_mounted_file_exists_and_every_volume_is_declared() -> None:
    for service in SERVICES:
        for source in mounts(service).values():
            if source.startswith("."):
                assert (DEPLOY / source).is_dir(), source
            elif not source.startswith("$"):
                assert source in COMPOSE["volumes"]


def test_the_worker_finds_kafka_the_bundle_and_a_place_for_its_tables(settings: Settings) -> None:
    assert f"INSIDE://{settings.kafka.bootstrap_servers}" in KAFKA["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert str(settings.bundle.parent) in mounts("worker")
    assert str(settings.data_dir) in mounts("worker")


def test_programs_on_the_machine_reach_kafka_at_the_address_that_it_names() -> None:
    (published,) = SERVICES["kafka"]["ports"]
    assert published == "127.0.0.1:9092:9092"
    assert "OUTSIDE://localhost:9092" in KAFKA["KAFKA_ADVERTISED_LISTENERS"].split(",")


def test_kafka_takes_our_largest_message_and_keeps_its_data_in_the_volume() -> None:
    assert KAFKA["KAFKA_MESSAGE_MAX_BYTES"] == KAFKA["KAFKA_REPLICA_FETCH_MAX_BYTES"] == str(MAX_MESSAGE_BYTES)
    assert KAFKA["KAFKA_LOG_DIRS"] in mounts("kafka")


def test_the_worker_is_asked_at_its_port_and_has_time_to_drain(settings: Settings) -> None:
    assert f"http://127.0.0.1:{settings.metrics_port}/readyz" in WORKER["healthcheck"]["test"][-1]
    assert int(WORKER["stop_grace_period"].removesuffix("s")) > settings.drain_seconds + BEYOND_DRAIN_SECONDS


def test_prometheus_scrapes_the_worker_and_reads_our_rules(settings: Settings) -> None:
    (scraped,) = PROMETHEUS["scrape_configs"]
    (found,) = scraped["dns_sd_configs"]
    assert (found["names"], found["port"]) == (["worker"], settings.metrics_port)
    assert settings.metrics_host == "0.0.0.0"
    assert all((DEPLOY / "prometheus" / file).is_file() for file in PROMETHEUS["rule_files"])
    assert "--config.file=/etc/prometheus/prometheus.compose.yml" in SERVICES["prometheus"]["command"]
    assert mounts("prometheus")["/etc/prometheus"] == "./prometheus"


def test_grafana_shows_our_dashboard_from_prometheus() -> None:
    (sources,) = documents("grafana", "provisioning", "datasources", "prometheus.yml")
    assert [source["url"] for source in sources["datasources"]] == ["http://prometheus:9090"]
    (provided,) = documents("grafana", "provisioning", "dashboards", "shelfwise.yml")
    (folder,) = [provider["options"]["path"] for provider in provided["providers"]]
    assert list((DEPLOY / mounts("grafana")[folder]).glob("*.json"))
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (DEPLOY / mounts("grafana")[str(home.parent)] / home.name).is_file()


def test_it_holds_no_secret() -> None:
    names = [name for service in SERVICES.values() for name in service.get("environment", {})]
    assert not [name for name in names if re.search("PASSWORD|SECRET|TOKEN|KEY", name)]
