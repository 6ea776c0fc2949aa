"""The manifest of a model bundle: what is in the directory, with a SHA-256 of each file."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec

MANIFEST: Final = "manifest.json"
FORMAT: Final = 8


class BundleFile(msgspec.Struct, frozen=True):
    """Size in bytes and hexadecimal SHA-256 of one file."""

    bytes: Annotated[int, msgspec.Meta(ge=0)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle is; ``files`` maps relative paths to the expected size and digest.

    ``model_version`` is the digest of ``files``, so equal models have equal versions. ``cascade_encoder`` names
    the sentence encoder of the cascade, if there is one. ``gate`` is the expected size and digest of the file with
    the gate's verdicts, once the bundle was gated; it is written after the model and is not part of its version.
    """

    format: int
    model_version: str
    created_at: datetime
    shelfwise_version: str
    taxonomy_name: str
    taxonomy_version: str
    encoder: str
    cascade_encoder: str | None = None
    signals: tuple[str, ...]
    files: dict[str, BundleFile]
    gate: BundleFile | None = None
