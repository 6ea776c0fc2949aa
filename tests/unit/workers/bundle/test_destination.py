"""Where a bundle may be written is found out before it is made, and an older one stays until it is whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.errors import InvalidBundle
from workers.bundle.destination import check_destination, whole_directory


def _link(place: Path) -> None:
    place.with_name("bundles").mkdir()
    place.symlink_to("bundles")


def _dangling_link(place: Path) -> None:
    place.symlink_to("nowhere")


def _other_files(place: Path) -> None:
    place.mkdir()
    (place / "thesis.txt").touch()


@pytest.mark.parametrize(
    ("prepare", "problem"),
    [
        (_link, "is a link; name a new directory, and turn the link"),
        (_dangling_link, "is a link"),
        (_other_files, "holds other files"),
    ],
)
def test_what_another_directory_cannot_take_the_place_of_is_refused_at_once(
    tmp_path: Path, prepare: Callable[[Path], None], problem: str
) -> None:
    place = tmp_path / "bundle"
    prepare(place)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InvalidBundle, match=problem):
        check_destination(place)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("place", [".", "..", ""])
def test_the_working_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(InvalidBundle, match="being in use as a working directory"):
        check_destination(Path(place))


def test_a_mount_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_mount", lambda self: self == tmp_path)
    with pytest.raises(InvalidBundle, match="or a mount; name one in it"):
        check_destination(tmp_path)


def test_an_older_bundle_is_replaced_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with whole_directory(tmp_path / "bundle") as made:
            (made / "manifest.json").write_text(content)
    assert (tmp_path / "bundle" / "manifest.json").read_text() == "new"
    assert list(tmp_path.iterdir()) == [tmp_path / "bundle"]


def test_an_older_bundle_stays_where_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "bundle"
    with whole_directory(place) as made:
        (made / "manifest.json").write_text("old")
    replace = os.replace

    def fail_for_the_new(source: Path, target: Path) -> None:
        if target == place and source.parent == tmp_path:
            raise OSError(16, "Device or resource busy")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail_for_the_new)
    with pytest.raises(OSError, match="busy"), whole_directory(place) as made:
        (made / "manifest.json").write_text("new")
    assert (place / "manifest.json").read_text() == "old"
    assert list(tmp_path.iterdir()) == [place]
