"""An installed package has every file that it needs, and a checkout beside it is not asked."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE_DATA = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["*"]


@pytest.mark.parametrize("package", ["schemas", "workers", "streams"])
def test_every_file_of_a_package_is_installed_with_it(package: str) -> None:
    files = [file for file in (ROOT / package).rglob("*.*") if file.suffix not in {".py", ".pyc"}]
    assert files
    left_out = [file for file in files if not any(file.match(pattern) for pattern in PACKAGE_DATA)]
    assert left_out == []
