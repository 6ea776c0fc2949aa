"""Convert the safetensors of BERT and similar sentence encoders to an encoder directory, without torch."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import InvalidFile
from workers.encoders.bert_graph import build
from workers.encoders.bert_weights import read_config, read_weights
from workers.encoders.onnx import OnnxEncoder
from workers.encoders.sentence_directory import (
    DEFAULT_MAX_TOKENS,
    MODEL_FILE,
    TOKENIZER_FILE,
    make_settings,
    read_limit,
    read_pooling,
    write_settings,
)
from workers.progress import Progress, silent


def convert(  # noqa: PLR0913 - all but two are options by keyword
    source: Path,
    out: Path,
    *,
    name: str | None = None,
    max_tokens: int = DEFAULT_MAX_TOKENS,
    prefix: str = "",
    progress: Progress = silent,
) -> OnnxEncoder:
    """Write ``model.onnx``, ``tokenizer.json`` and ``encoder.json`` into ``out`` and return the loaded encoder.

    ``source`` contains ``config.json`` (model_type bert, roberta, xlm-roberta or mpnet), ``model.safetensors``,
    ``tokenizer.json`` and, from sentence-transformers, ``modules.json`` and ``1_Pooling/config.json`` (without
    them, pooling is mean). ``out`` must be absent or empty; it appears whole or not at all. ``name`` defaults to
    the name of the source's folder; ``max_tokens`` is reduced to the model's own limit; ``prefix`` is put before
    each text (E5: ``"query: "``).

    Raises :class:`InvalidFile` if the source is not such a directory or is inconsistent.
    """
    check_vacant(out)
    config = read_config(source / "config.json")
    tokenizer = source / TOKENIZER_FILE
    if not tokenizer.is_file():
        raise InvalidFile(f"{tokenizer}: no such file; save the tokenizer in its fast form (tokenizer.json)")
    settings = make_settings(
        source,
        name=name or source.resolve().name,
        pooling=read_pooling(source),
        max_tokens=min(max_tokens, read_limit(source), config.positions),
        prefix=prefix,
    )
    progress("read", 0, 1)
    weights = read_weights(source / "model.safetensors", config)
    progress("read", 1, 1)
    model = build(config, weights, lambda done, total: progress("convert", done, total))
    with new_directory(out) as made:
        progress("write", 0, 1)
        (made / MODEL_FILE).write_bytes(model.SerializeToString())
        shutil.copyfile(tokenizer, made / TOKENIZER_FILE)
        write_settings(made, settings)
        progress("write", 1, 1)
        progress("check", 0, 1)
        OnnxEncoder.load(made)
    encoder = OnnxEncoder.load(out)
    progress("check", 1, 1)
    return encoder


def check_vacant(out: Path) -> None:
    """Create the parent of ``out``. Raises :class:`InvalidFile` if ``out`` is not empty or cannot be created."""
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InvalidFile(f"{out}: exists already; name a new directory, or remove this one")
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidFile(f"{out}: cannot be written ({error.strerror or error})") from None


@contextmanager
def new_directory(out: Path) -> Iterator[Path]:
    """Yield an empty directory beside ``out`` that becomes ``out`` at the end; nothing is left after an error.

    Raises :class:`InvalidFile` if ``out`` is a file or not empty, or if its parent cannot be written.
    """
    check_vacant(out)
    try:
        made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise InvalidFile(f"{out}: cannot be written ({error.strerror or error})") from None
    try:
        yield made
        made.chmod(0o755)
        made.replace(out)
    finally:
        shutil.rmtree(made, ignore_errors=True)
