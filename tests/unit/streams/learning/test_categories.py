"""Verdicts are checked by the tree of the bundle that is there now, whatever happens to it meanwhile."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from schemas.errors import InvalidBundle
from schemas.taxonomy.tree import Taxonomy
from streams.learning.categories import Categories
from streams.settings import Settings
from tests.gate_verdicts import verdict
from workers.bundle.files import Description, write_manifest
from workers.bundle.release import write_verdict
from workers.bundle.taxonomy_file import TAXONOMY

_LAMPS = Taxonomy.from_paths("tree", "1", [("Home", "Lamps")])
_CUPS = Taxonomy.from_paths("tree", "2", [("Home", "Cups")])
_RUGS = Taxonomy.from_paths("tree", "3", [("Home", "Rugs")])


def bundle(directory: Path, taxonomy: Taxonomy) -> Path:
    """Make a directory that is a bundle but for its model."""
    directory.mkdir()
    (directory / TAXONOMY).write_bytes(taxonomy.to_json_bytes())
    write_manifest(directory, Description(taxonomy.name, taxonomy.version, "none", None, ()))
    return directory


@pytest.fixture
def link(tmp_path: Path) -> Path:
    """A link to a bundle, as an operator turns it."""
    link = tmp_path / "bundle"
    link.symlink_to(bundle(tmp_path / "lamps", _LAMPS))
    return link


@pytest.fixture
def categories(link: Path) -> Categories:
    return Categories(Settings(bundle=link))


def turn(link: Path, target: Path) -> None:
    link.unlink()
    link.symlink_to(target)


def test_a_category_is_known_by_its_id(categories: Categories) -> None:
    assert categories.has(_LAMPS.ids[1])
    assert not categories.has(_CUPS.ids[1])


def test_another_bundle_brings_its_tree_and_the_one_before_counts_on(
    categories: Categories, link: Path, tmp_path: Path
) -> None:
    for number, tree in enumerate((_CUPS, _RUGS)):
        turn(link, bundle(tmp_path / str(number), tree))
        assert categories.has(tree.ids[1])
    write_verdict(tmp_path / "1", verdict(tmp_path / "1", "accepted"))
    assert categories.has(_CUPS.ids[1])
    assert not categories.has(_LAMPS.ids[1])


def test_where_no_other_bundle_is_looked_for_the_tree_stays(link: Path, tmp_path: Path) -> None:
    categories = Categories(Settings(bundle=link, bundle_poll_seconds=0))
    turn(link, bundle(tmp_path / "cups", _CUPS))
    assert not categories.has(_CUPS.ids[1])


def test_a_bundle_that_cannot_be_read_changes_nothing(
    categories: Categories, link: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cups = bundle(tmp_path / "cups", _CUPS)
    (cups / TAXONOMY).write_bytes(b"{")
    turn(link, cups)
    assert categories.has(_LAMPS.ids[1])
    assert "taxonomy.json has 1 bytes" in caplog.text
    (cups / TAXONOMY).write_bytes(_CUPS.to_json_bytes())
    assert categories.has(_CUPS.ids[1])
    shutil.rmtree(cups)
    assert categories.has(_LAMPS.ids[1])


def test_the_tree_of_a_bundle_that_the_gate_rejected_changes_nothing(
    categories: Categories, link: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cups = bundle(tmp_path / "cups", _CUPS)
    write_verdict(cups, verdict(cups, "rejected"))
    turn(link, cups)
    assert categories.has(_LAMPS.ids[1])
    assert "rejected by the gate" in caplog.text


def test_without_a_bundle_there_is_nothing_to_check_by(tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle, match="shelfwise fit"):
        Categories(Settings(bundle=tmp_path))
