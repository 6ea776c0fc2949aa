"""The tree of a bundle, which can be loaded without the model."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from schemas.errors import InvalidBundle
from schemas.taxonomy.tree import Taxonomy
from workers.bundle import files

TAXONOMY: Final = "taxonomy.json"


def load_taxonomy(directory: Path) -> Taxonomy:
    """Check and load only the tree of a bundle; raises :class:`InvalidBundle`."""
    manifest = files.read_manifest(directory)
    if TAXONOMY not in manifest.files:
        raise InvalidBundle(f"bundle {directory}: {TAXONOMY} is missing; {files.MAKE_ANEW}")
    files.check(directory, TAXONOMY, manifest.files[TAXONOMY], files.MAKE_ANEW)
    return Taxonomy.from_json_bytes((directory / TAXONOMY).read_bytes())
