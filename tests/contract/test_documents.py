"""The pages name only what is there: files, anchors, modules, make targets, commands and settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from schemas.events.dead_letter import Reason
from streams.cli.root import main
from streams.kafka.connection import KafkaConnection
from streams.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = {str(page.relative_to(ROOT)): page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
_OURS = "schemas|workers|streams|tests|docs|deploy"
_MODULE = rf"(?:{_OURS})(?:\.\w+)+"
_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
_COMMANDS = set(main.list_commands(click.Context(main)))
_SETTINGS = {f"{PREFIX}{name}".upper() for name in Settings.model_fields} | {
    f"{PREFIX}KAFKA__{name}".upper() for name in KafkaConnection.model_fields
}


def text_of(page: str) -> str:
    return PAGES[page].read_text(encoding="utf-8")


def code_in(text: str) -> Iterator[str]:
    """Yield the lines of code blocks, and what stands between backticks elsewhere."""
    blocks = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
    for block in blocks.findall(text):
        yield from block.splitlines()
    yield from (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", blocks.sub("", text)))


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text_of(page)):
        path, _, anchor = link.partition("#")
        target = PAGES[page].parent / path if path else PAGES[page]
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


@pytest.mark.parametrize("page", PAGES)
def test_paths_lead_to_files(page: str) -> None:
    for code in code_in(text_of(page)):
        for path in re.findall(rf"(?<![\w./-])(?:{_OURS})/[\w./-]*", code):
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES)
def test_modules_are_there(page: str) -> None:
    for code in code_in(text_of(page)):
        for module in re.findall(rf"python -m ({_MODULE})", code):
            path = ROOT / module.replace(".", "/")
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_make_targets_are_there(page: str) -> None:
    for code in code_in(text_of(page)):
        assert set(re.findall(r"^make ([a-z-]+)", code)) <= _TARGETS, code
        assert set(re.findall(r"^shelfwise ([a-z-]+)", code)) <= _COMMANDS, code


@pytest.mark.parametrize("page", PAGES)
def test_settings_are_there(page: str) -> None:
    named = set(re.findall(r"SHELFWISE_(?!TEST_)[A-Z_]*[A-Z]", text_of(page)))
    assert named <= _SETTINGS | {f"{PREFIX}KAFKA"}


def test_every_reason_of_a_dead_letter_is_explained() -> None:
    explained = re.findall(r"^\| (`.+?`) \|", text_of("docs/dead-letters.md"), re.MULTILINE)
    assert set(Reason) <= set(re.findall(r"`(\w+)`", " ".join(explained)))
