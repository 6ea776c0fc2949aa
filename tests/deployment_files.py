"""The files of deploy/, as the tests of contracts read them."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from streams.settings import PREFIX, Settings

ROOT: Final = Path(__file__).resolve().parents[1]
DEPLOY: Final = ROOT / "deploy"
VERSION: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
IMAGE: Final = f"shelfwise:{VERSION}"
# What an orchestrator should allow beyond the drain (streams/stages/run.py).
BEYOND_DRAIN_SECONDS: Final = 30


def documents(*path: str) -> list[dict[str, Any]]:
    """Return the YAML documents of a file below deploy/."""
    return list(yaml.safe_load_all(DEPLOY.joinpath(*path).read_text()))


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile, each with its arguments on one line."""
    text = (DEPLOY / "Dockerfile").read_text()
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    lines = [" ".join(line.split()) for line in code.replace("\\\n", " ").splitlines() if line.strip()]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def of_last_stage(name: str) -> list[str]:
    """Return the arguments of every such instruction in the stage that becomes the image."""
    all_of_them = instructions()
    start = max(index for index, (each, _) in enumerate(all_of_them) if each == "FROM")
    return [rest for each, rest in all_of_them[start:] if each == name]


def settings_of(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return what a worker of our image makes of these variables; it refuses those that it does not know."""
    image = dict(pair.split("=", 1) for line in of_last_stage("ENV") for pair in line.split())
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    for name, value in {**image, **environment}.items():
        if name.startswith(PREFIX):
            monkeypatch.setenv(name, value)
    return Settings.load()
