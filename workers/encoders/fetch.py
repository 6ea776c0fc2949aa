"""Fetch a sentence encoder from the Hugging Face hub, and convert it if it has no ONNX file."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from schemas.errors import InvalidFile, ShelfwiseError
from workers.encoders.convert import check_vacant, convert, new_directory
from workers.encoders.onnx import OnnxEncoder
from workers.encoders.sentence_directory import (
    DEFAULT_MAX_TOKENS,
    TOKENIZER_FILE,
    make_settings,
    read_limit,
    read_pooling,
    write_settings,
)
from workers.progress import Progress, silent

MAX_DOWNLOAD_BYTES: Final = 2 * 1024**3
_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
_REVISION: Final = re.compile(r"[A-Za-z0-9][\w./-]{0,99}")
_SMALL: Final[tuple[str, ...]] = (
    "config.json",
    TOKENIZER_FILE,
    "tokenizer_config.json",
    "modules.json",
    "sentence_bert_config.json",
    "1_Pooling/config.json",
)
_WEIGHTS: Final = "model.safetensors"
_MODELS: Final[tuple[str, ...]] = ("onnx/model.onnx", "model.onnx")


@dataclass(frozen=True)
class HubListing:
    """The files of a repository at one commit; ``sizes`` maps paths to bytes."""

    commit: str
    sizes: dict[str, int]


class Hub(Protocol):
    """A place from which models can be downloaded."""

    def list_files(self, name: str, revision: str) -> HubListing:
        """Return the commit of ``revision`` and its files. Raises :class:`ShelfwiseError` if that fails."""

    def download(self, name: str, commit: str, path: str, directory: Path) -> None:
        """Write one file to ``directory / path``. Raises :class:`ShelfwiseError` if that fails."""


class HuggingFaceHub:
    """The hub at huggingface.co, or at the URL in the environment variable HF_ENDPOINT."""

    def __init__(self) -> None:
        """Raises :class:`ShelfwiseError` if the package ``huggingface_hub`` is not installed."""
        try:
            import huggingface_hub  # noqa: PLC0415
        except ImportError:
            raise ShelfwiseError(
                "fetching needs the package huggingface-hub: pip install -e '.[encoders]' in the checkout"
            ) from None
        self._package: Any = huggingface_hub

    def list_files(self, name: str, revision: str) -> HubListing:
        """Ask the hub's API, in one request of at most 10 seconds."""
        try:
            info = self._package.HfApi().model_info(name, revision=revision, files_metadata=True, timeout=10)
        except Exception as error:
            raise _unreachable(name, revision, error) from None
        return HubListing(info.sha or revision, {item.rfilename: item.size or 0 for item in info.siblings or ()})

    def download(self, name: str, commit: str, path: str, directory: Path) -> None:
        """Download with the package, which resumes an interrupted download and checks its size."""
        try:
            self._package.hf_hub_download(name, path, revision=commit, local_dir=directory)
        except Exception as error:
            raise _unreachable(name, commit, error) from None


def _unreachable(name: str, revision: str, error: Exception) -> ShelfwiseError:
    detail = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    return ShelfwiseError(
        f"{name} at revision {revision} could not be fetched from the hub ({type(error).__name__}: {detail}). "
        "Check the name and the connection; or download config.json, tokenizer.json, modules.json, "
        "1_Pooling/config.json and model.safetensors by hand into a directory DIR and run "
        "`shelfwise encoder convert DIR`"
    )


def fetch(  # noqa: PLR0913 - all but two are options by keyword
    name: str,
    out: Path,
    *,
    revision: str = "main",
    max_tokens: int = DEFAULT_MAX_TOKENS,
    prefix: str = "",
    progress: Progress = silent,
    hub: Hub | None = None,
) -> OnnxEncoder:
    """Fetch the encoder ``name`` ("owner/model") into ``out`` and return the loaded encoder.

    Only the files that are needed are downloaded, at most 2 GiB: the settings, the tokenizer, and one ONNX file or
    else safetensors, which :func:`workers.encoders.convert.convert` then converts. The encoder's name becomes
    ``owner/model@commit``. ``progress`` is called with ("download", bytes done, bytes in total), then with
    convert's stages. ``out`` must be absent or empty; it appears whole or not at all.

    Raises :class:`ShelfwiseError` if the hub cannot be reached or lacks the model, and :class:`InvalidFile` if the
    name is malformed or the model cannot be used.
    """
    if not _NAME.fullmatch(name) or not _REVISION.fullmatch(revision) or ".." in name + revision:
        raise InvalidFile(
            f"{name!r} at {revision!r} names no model; write it as in sentence-transformers/all-MiniLM-L6-v2"
        )
    hub = hub or HuggingFaceHub()
    listing = hub.list_files(name, revision)
    wanted = choose_files(name, listing)
    title = f"{name}@{listing.commit[:12]}"
    check_vacant(out)
    with tempfile.TemporaryDirectory(prefix="shelfwise-", dir=out.parent) as temporary:
        source = Path(temporary)
        sizes = {path: listing.sizes[path] for path in wanted}
        _download(lambda path: hub.download(name, listing.commit, path, source), source, sizes, progress)
        if _WEIGHTS in wanted:
            return convert(source, out, name=title, max_tokens=max_tokens, prefix=prefix, progress=progress)
        settings = make_settings(
            source,
            name=title,
            pooling=read_pooling(source),
            max_tokens=min(max_tokens, read_limit(source)),
            prefix=prefix,
        )
        write_settings(source, settings)
        with new_directory(out) as made:
            OnnxEncoder.load(source).save(made)
    return OnnxEncoder.load(out)


def choose_files(name: str, listing: HubListing) -> list[str]:
    """Return the paths to download: settings, and a self-contained ONNX file if there is one, else safetensors.

    Raises :class:`InvalidFile` if the repository lacks them or they exceed :data:`MAX_DOWNLOAD_BYTES`.
    """
    sizes = listing.sizes
    whole = [
        path for path in _MODELS if path in sizes and f"{path}_data" not in sizes and f"{path}.data" not in sizes
    ]
    model = (whole or [path for path in (_WEIGHTS,) if path in sizes])[:1]
    if not model:
        raise InvalidFile(
            f"{name}: holds neither {' nor '.join((*_MODELS, _WEIGHTS))} in one piece; export the model to ONNX "
            "by hand and name the directory as the encoder"
        )
    wanted = [path for path in _SMALL if path in sizes] + model
    if TOKENIZER_FILE not in wanted:
        raise InvalidFile(f"{name}: holds no {TOKENIZER_FILE}; save its tokenizer in the fast form by hand")
    total = sum(sizes[path] for path in wanted)
    if total > MAX_DOWNLOAD_BYTES:
        raise InvalidFile(
            f"{name}: {total:,} bytes; at most {MAX_DOWNLOAD_BYTES:,} are fetched, choose a smaller model"
        )
    return wanted


def _download(get: Callable[[str], None], source: Path, sizes: dict[str, int], progress: Progress) -> None:
    total = sum(sizes.values())
    done = 0
    progress("download", done, total)
    for path, expected in sizes.items():
        get(path)
        file = source / path
        size = file.stat().st_size if file.is_file() else 0
        if size != expected:
            raise ShelfwiseError(f"{path} came with {size:,} of {expected:,} bytes; fetch the model again")
        done += size
        progress("download", done, total)
