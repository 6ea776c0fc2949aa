"""The image holds what the package needs, and nothing that changes without it."""

from __future__ import annotations

import fnmatch
import json
import re
import tomllib

import pytest

from tests.deployment_files import DEPLOY, ROOT, VERSION, instructions, of_last_stage, settings_of

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COPIED = [
    source
    for name, rest in instructions()
    if name == "COPY" and not rest.startswith("--from")
    for source in rest.split()[:-1]
]
LET_THROUGH = [
    line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
]


def test_it_copies_only_what_is_there_and_the_ignore_file_lets_through() -> None:
    assert all((ROOT / source).exists() for source in COPIED)
    assert set(COPIED) == set(LET_THROUGH)


def test_it_copies_every_package() -> None:
    patterns = PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    packages = [file.parent.name for file in ROOT.glob("*/__init__.py")]
    assert {name for name in packages if any(fnmatch.fnmatch(name, each) for each in patterns)} <= set(COPIED)


def test_all_stages_share_one_base_with_a_python_that_we_support() -> None:
    first, *others = [rest for name, rest in instructions() if name == "FROM"]
    assert first == "python:3.11-slim-bookworm AS base"
    assert all(each.split()[0] == "base" for each in others)


def test_it_carries_the_version_of_the_package() -> None:
    (labels,) = of_last_stage("LABEL")
    assert f'org.opencontainers.image.version="{VERSION}"' in labels
    for file in (DEPLOY / "Dockerfile", ROOT / "docs" / "deployment.md"):
        assert set(re.findall(r"shelfwise:(\d[\w.]*)", file.read_text())) == {VERSION}, file


def test_it_runs_our_command_as_a_user_without_rights() -> None:
    (user,) = of_last_stage("USER")
    assert user == "10001:10001"
    (command,) = of_last_stage("ENTRYPOINT")
    assert json.loads(command) == list(PROJECT["project"]["scripts"])
    assert "apt-get" not in (DEPLOY / "Dockerfile").read_text()


def test_its_directories_are_those_of_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of({}, monkeypatch)
    (made,) = [line for line in of_last_stage("RUN") if "install --directory" in line]
    assert {str(settings.bundle.parent), str(settings.data_dir)} <= set(made.split())
    assert of_last_stage("EXPOSE") == [str(settings.metrics_port)]
