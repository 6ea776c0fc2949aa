"""Kafka's jars are fetched once, and never taken for good when they are not all there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from schemas.errors import KafkaUnavailable
from streams.kafka import jars


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of one's own, with an empty cache: scripts put there stand for Maven and Java."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return directory


def _program(directory: Path, name: str, script: str) -> None:
    file = directory / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


_FETCH = (
    'for word in "$@"; do case $word in -DoutputDirectory=*) out=${word#*=};; esac; done; touch "$out/kafka.jar"'
)


def _cache(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "cache" / "shelfwise").iterdir())


def test_jars_are_fetched_once(programs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _program(programs, "mvn", f"echo maven talks; echo call >> {tmp_path}/calls; {_FETCH}")
    found = jars.resolve_jars()
    assert jars.resolve_jars() == found
    assert [file.name for file in found.iterdir()] == ["kafka.jar"]
    assert (tmp_path / "calls").read_text() == "call\n"
    said = capfd.readouterr()
    assert (said.out, said.err.count("fetching Apache Kafka")) == ("", 1)


def test_a_download_that_breaks_off_leaves_nothing_to_mistake_for_a_good_one(
    programs: Path, tmp_path: Path
) -> None:
    _program(programs, "mvn", f"{_FETCH}; echo '[ERROR] connection reset'; echo '[ERROR] see advice'; exit 1")
    with pytest.raises(KafkaUnavailable, match=r"could not fetch Apache Kafka: connection reset$"):
        jars.resolve_jars()
    assert _cache(tmp_path) == []
    _program(programs, "mvn", _FETCH)
    assert (jars.resolve_jars() / "kafka.jar").exists()


def test_of_two_that_fetch_at_once_the_slower_uses_what_the_faster_made(programs: Path, tmp_path: Path) -> None:
    other = jars.cached_jars()
    _program(programs, "mvn", f"{_FETCH}; mkdir -p {other}; touch {other}/of-the-faster.jar")
    assert [file.name for file in jars.resolve_jars().iterdir()] == ["of-the-faster.jar"]
    assert _cache(tmp_path) == [other]


def test_a_missing_maven_is_named(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(KafkaUnavailable, match=r"no `mvn` on the PATH"):
        jars.resolve_jars()


def test_a_cache_that_cannot_be_written_is_named(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(programs, "mvn", _FETCH)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(KafkaUnavailable, match="XDG_CACHE_HOME"):
        jars.resolve_jars()


@pytest.mark.parametrize(
    ("version", "problem"),
    [
        ("1.8.0_442", "Java 8 is too old: 17 or newer is needed"),
        ("11.0.2", "Java 11 is too old: 17 or newer is needed"),
        ("17.0.15", None),
        ("26-ea", None),
    ],
)
def test_java_is_judged_by_its_version(programs: Path, version: str, problem: str | None) -> None:
    _program(programs, "java", f"echo 'openjdk version \"{version}\" 2025-04-15' >&2")
    assert jars.java_problem() == problem


def test_a_java_that_is_a_mere_stub_is_quoted(programs: Path) -> None:
    _program(programs, "java", "echo 'Unable to locate a Java Runtime.' >&2; exit 1")
    assert "Unable to locate a Java Runtime" in str(jars.java_problem())


def test_no_java_is_named(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(programs))
    assert jars.java_problem() == "no `java` on the PATH"


def test_the_pom_and_the_image_have_one_version() -> None:
    pinned = re.search(r"<artifactId>kafka_2\.13</artifactId>\s*<version>([^<]+)</version>", jars.POM.read_text())
    assert pinned is not None
    assert pinned[1] == jars.VERSION
