"""Models from a hub, on a hub made for the test."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InvalidFile, ShelfwiseError
from workers.encoders.fetch import MAX_DOWNLOAD_BYTES, HubListing, HuggingFaceHub, choose_files, fetch
from workers.encoders.onnx import OnnxEncoder

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SMALL = ["config.json", "modules.json", "tokenizer.json", "1_Pooling/config.json"]


class DirectoryHub:
    """A hub with one model, in a directory; remembers what was downloaded."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.names: list[str] = []
        self.revisions: list[str] = []
        self.downloaded: list[str] = []

    def list_files(self, name: str, revision: str) -> HubListing:
        self.names.append(name)
        self.revisions.append(revision)
        files = [path for path in self.directory.rglob("*") if path.is_file()]
        return HubListing(COMMIT, {str(path.relative_to(self.directory)): path.stat().st_size for path in files})

    def download(self, name: str, commit: str, path: str, directory: Path) -> None:
        assert (name, commit) == (self.names[-1], COMMIT)
        self.downloaded.append(path)
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.directory / path, directory / path)


@pytest.fixture
def hub(source: Path) -> DirectoryHub:
    for unwanted in ("pytorch_model.bin", "README.md", "tf_model.h5", "onnx_model_quantized.onnx"):
        (source / unwanted).write_bytes(b"unwanted")
    return DirectoryHub(source)


def test_a_model_with_safetensors_is_converted(hub: DirectoryHub, encoder: OnnxEncoder, tmp_path: Path) -> None:
    fetched = fetch("owner/tiny", tmp_path / "out", hub=hub)
    assert fetched.name == "owner/tiny@0123456789ab"
    assert fetched.encode(["word1 word2"]).tobytes() == encoder.encode(["word1 word2"]).tobytes()
    assert OnnxEncoder.load(tmp_path / "out").name == fetched.name


def test_a_model_with_an_onnx_file_is_taken_as_it_is(
    hub: DirectoryHub, encoder: OnnxEncoder, tmp_path: Path, saved: Path
) -> None:
    (hub.directory / "onnx").mkdir()
    shutil.copyfile(saved / "model.onnx", hub.directory / "onnx" / "model.onnx")
    fetched = fetch("tiny", tmp_path / "out", hub=hub, max_tokens=20)
    assert sorted(hub.downloaded) == sorted([*SMALL, "onnx/model.onnx"])
    assert (fetched.name, fetched.settings.max_tokens) == ("tiny@0123456789ab", 20)
    assert fetched.encode(["word1"]).tobytes() == encoder.encode(["word1"]).tobytes()
    assert (tmp_path / "out" / "model.onnx").read_bytes() == (saved / "model.onnx").read_bytes()


def test_only_the_files_that_are_needed_are_downloaded(hub: DirectoryHub, tmp_path: Path) -> None:
    fetch("owner/tiny", tmp_path / "out", hub=hub)
    assert sorted(hub.downloaded) == sorted([*SMALL, "model.safetensors"])


def test_the_revision_is_asked_for(hub: DirectoryHub, tmp_path: Path) -> None:
    fetch("owner/tiny", tmp_path / "out", revision="v2.0", hub=hub)
    assert hub.revisions == ["v2.0"]


def test_progress_counts_bytes_to_the_end_and_then_conversion(hub: DirectoryHub, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    fetch("owner/tiny", tmp_path / "out", hub=hub, progress=lambda *step: seen.append(step))
    downloads = [step for step in seen if step[0] == "download"]
    total = sum((hub.directory / path).stat().st_size for path in hub.downloaded)
    assert downloads[0] == ("download", 0, total)
    assert downloads[-1] == ("download", total, total)
    assert seen[-1] == ("check", 1, 1)


def test_onnx_in_several_files_falls_back_to_safetensors() -> None:
    sizes = dict.fromkeys([*SMALL, "onnx/model.onnx", "onnx/model.onnx_data", "model.safetensors"], 10)
    wanted = choose_files("owner/large", HubListing(COMMIT, sizes))
    assert "model.safetensors" in wanted
    assert "onnx/model.onnx" not in wanted


@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        (dict.fromkeys([*SMALL, "pytorch_model.bin"], 10), "holds neither"),
        (dict.fromkeys([*SMALL, "model-00001-of-00002.safetensors"], 10), "holds neither"),
        (dict.fromkeys(["config.json", "model.safetensors"], 10), r"holds no tokenizer\.json"),
        (dict.fromkeys(SMALL, 10) | {"model.safetensors": MAX_DOWNLOAD_BYTES}, "choose a smaller model"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused_before_any_download(sizes: dict[str, int], named: str) -> None:
    with pytest.raises(InvalidFile, match=rf"owner/model: .*{named}"):
        choose_files("owner/model", HubListing(COMMIT, sizes))


def test_a_download_that_came_short_is_refused_by_name_and_nothing_is_left(
    hub: DirectoryHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_short(name: str, commit: str, path: str, directory: Path) -> None:
        DirectoryHub.download(hub, name, commit, path, directory)
        if path == "model.safetensors":
            (directory / path).write_bytes((directory / path).read_bytes()[:1000])

    monkeypatch.setattr(hub, "download", cut_short)
    with pytest.raises(ShelfwiseError, match=r"model\.safetensors came with 1,000 of"):
        fetch("owner/tiny", tmp_path / "parent" / "out", hub=hub)
    assert not list((tmp_path / "parent").iterdir())


@pytest.mark.parametrize("name", ["", "a/b/c", "../secret", "owner/..", "owner/mo del", "-x/y", "https://x/y"])
def test_a_malformed_name_is_refused(hub: DirectoryHub, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidFile, match="names no model"):
        fetch(name, tmp_path / "out", hub=hub)
    assert not hub.revisions


def test_a_directory_that_holds_something_is_refused_before_any_download(
    hub: DirectoryHub, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(InvalidFile, match="exists already"):
        fetch("owner/tiny", tmp_path, hub=hub)
    assert not hub.downloaded


def test_an_unreachable_hub_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)
    with pytest.raises(ShelfwiseError, match=r"Name or service not known.*shelfwise encoder convert DIR"):
        fetch("owner/tiny", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_hugging_face_hub_is_asked_for_one_commit(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package's functions are stood in for; their signatures are the package's own."""
    import huggingface_hub
    from huggingface_hub.hf_api import ModelInfo, RepoSibling

    local = DirectoryHub(source)

    def model_info(_api: Any, repo_id: str, *, revision: str, files_metadata: bool, timeout: float) -> ModelInfo:
        assert files_metadata
        listing = local.list_files(repo_id, revision)
        info = ModelInfo(id=repo_id, sha=listing.commit)
        info.siblings = [RepoSibling(rfilename=path, size=size) for path, size in listing.sizes.items()]
        return info

    def download(repo_id: str, filename: str, *, revision: str, local_dir: Path) -> str:
        local.download(repo_id, revision, filename, local_dir)
        return str(local_dir / filename)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert fetch("owner/tiny", tmp_path / "out", revision="main").dimensions == 64


def test_without_the_extra_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ShelfwiseError, match=r"\.\[encoders\]"):
        HuggingFaceHub()
