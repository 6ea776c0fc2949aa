"""The manifests of deploy/kubernetes fit the worker that they run, and Kubernetes' restricted profile."""

from __future__ import annotations

import shutil
import subprocess
import urllib.error
import urllib.request
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from streams.health import Health
from streams.listener import Listener
from streams.settings import Settings
from tests.deployment_files import BEYOND_DRAIN_SECONDS, DEPLOY, IMAGE, documents, settings_of

HERE = DEPLOY / "kubernetes"
(KUSTOMIZATION,) = documents("kubernetes", "kustomization.yaml")
SERVICE, STATEFUL_SET = documents("kubernetes", "worker.yaml")
(RELEASE,) = documents("kubernetes", "release.yaml")
POD: dict[str, Any] = STATEFUL_SET["spec"]["template"]["spec"]
(WORKER,) = POD["containers"]
PODS = {"worker": POD, "release": RELEASE["spec"]}
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


@pytest.fixture(name="settings")
def _settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    (config,) = KUSTOMIZATION["configMapGenerator"]
    environment = dict(literal.split("=", 1) for literal in config["literals"])
    own = {variable["name"]: "shelfwise-0" for variable in WORKER["env"]}
    return settings_of({**environment, **own}, monkeypatch)


def test_every_manifest_is_applied_but_the_one_for_releases() -> None:
    files = {file.name for file in HERE.glob("*.yaml")}
    assert files - {"kustomization.yaml", "release.yaml"} == set(KUSTOMIZATION["resources"])


def test_kustomize_puts_them_together() -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not there")
    done = subprocess.run([kubectl, "kustomize", HERE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "kind: StatefulSet" in done.stdout


def test_a_worker_has_its_pods_name_as_its_id(settings: Settings) -> None:
    sources = {variable["name"]: variable["valueFrom"] for variable in WORKER["env"]}
    assert sources["SHELFWISE_INSTANCE_ID"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert settings.instance_id is not None


def test_there_are_no_more_workers_than_partitions(settings: Settings) -> None:
    assert STATEFUL_SET["spec"]["replicas"] <= settings.partitions


def test_a_worker_finds_its_tables_and_the_directory_around_the_link_to_the_bundle(settings: Settings) -> None:
    mounts = {mount["name"]: mount for mount in WORKER["volumeMounts"]}
    assert mounts["models"] == {"name": "models", "mountPath": str(settings.bundle.parent), "readOnly": True}
    assert mounts["data"]["mountPath"] == str(settings.data_dir)
    (claim,) = STATEFUL_SET["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "data"


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_asks_what_the_worker_answers(name: str, settings: Settings) -> None:
    asked = WORKER[name]["httpGet"]
    assert {port["name"]: port["containerPort"] for port in WORKER["ports"]} == {
        asked["port"]: settings.metrics_port
    }
    with Listener(Health(), CollectorRegistry()) as listener:
        try:
            status = urllib.request.urlopen(listener.url + asked["path"], timeout=5).status
        except urllib.error.HTTPError as error:
            status = error.code
            error.close()
    assert status in {200, 503}


def test_only_readiness_waits_for_kafka_and_the_model() -> None:
    paths = {name: WORKER[name]["httpGet"]["path"] for name in PROBES}
    assert paths == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}


def test_a_worker_has_time_to_drain(settings: Settings) -> None:
    assert POD["terminationGracePeriodSeconds"] > settings.drain_seconds + BEYOND_DRAIN_SECONDS


def test_only_prometheus_reaches_a_worker(settings: Settings) -> None:
    assert settings.metrics_host == "0.0.0.0"
    annotations = STATEFUL_SET["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {"prometheus.io/scrape": "true", "prometheus.io/port": str(settings.metrics_port)}
    (policy,) = documents("kubernetes", "network.yaml")
    assert [rule["ports"] for rule in policy["spec"]["ingress"]] == [[{"port": "metrics"}]]


@pytest.mark.parametrize("name", PODS)
def test_a_pod_keeps_to_the_restricted_profile(name: str) -> None:
    pod = PODS[name]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("name", PODS)
def test_a_pod_runs_our_image_without_what_other_services_or_the_cluster_would_add(name: str) -> None:
    pod = PODS[name]
    assert [container["image"] for container in pod["containers"]] == [IMAGE]
    assert pod["enableServiceLinks"] is False
    assert pod["automountServiceAccountToken"] is False


def test_selectors_find_the_workers_and_not_the_pod_of_a_release() -> None:
    (disruption,) = documents("kubernetes", "disruption.yaml")
    labels = STATEFUL_SET["spec"]["template"]["metadata"]["labels"]
    selectors = [SERVICE["spec"]["selector"], STATEFUL_SET["spec"]["selector"]["matchLabels"]]
    selectors.append(disruption["spec"]["selector"]["matchLabels"])
    assert all(selector == labels for selector in selectors)
    assert RELEASE["metadata"]["labels"] != labels
    assert STATEFUL_SET["spec"]["serviceName"] == SERVICE["metadata"]["name"]


def test_passwords_come_from_a_secret_that_is_not_in_the_repository(settings: Settings) -> None:
    assert {"secretRef": {"name": "shelfwise-kafka", "optional": True}} in WORKER["envFrom"]
    assert settings.kafka.sasl_password is None
    kinds = [document["kind"] for file in HERE.glob("*.yaml") for document in documents("kubernetes", file.name)]
    assert "Secret" not in kinds
