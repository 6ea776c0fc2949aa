"""Load an encoder from a bundle; its ``encoder.json`` says which kind it is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from schemas.errors import InvalidBundle
from workers.encoders.base import Encoder
from workers.encoders.json_file import read_json
from workers.encoders.static import StaticEncoder

KINDS: Final = ("static", "onnx")


def load_encoder(directory: Path) -> Encoder:
    """Load the encoder in a directory; raises :class:`InvalidBundle` if there is none or its kind is unknown."""
    file = directory / "encoder.json"
    if not file.is_file():
        raise InvalidBundle(f"{file} is missing; make the bundle anew with `shelfwise fit`")
    description = read_json(file)
    kind = description.get("kind") if isinstance(description, dict) else None
    if kind == "static":
        return StaticEncoder.load(directory)
    if kind == "onnx":
        # onnxruntime takes half a second to import, so it is imported only when it is needed.
        from workers.encoders.onnx import OnnxEncoder  # noqa: PLC0415

        return OnnxEncoder.load(directory)
    raise InvalidBundle(f"{file}: encoder kind {kind!r} is none of {', '.join(KINDS)}")
