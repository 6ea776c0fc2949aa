"""Targets: a model bundle whose manifest was altered, or whose files were, with a manifest that fits them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import msgspec

from schemas.bundle import MANIFEST
from tests.fuzz.target import Target
from workers.bundle.bundle import load_bundle
from workers.bundle.files import Description, describe, read_manifest, verify, write_manifest

# Not XGBoost's .ubj: its reader ends the process on some wrong bytes (docs/fuzzing.md): digests keep them from it.
_NATIVE = (".faiss", ".safetensors")


def _small_files(bundle: Path) -> list[Path]:
    return sorted(
        path for path in bundle.rglob("*.json") if path.name != MANIFEST and path.stat().st_size < 100_000
    )


def _manifest(copy: Path) -> Callable[[bytes, Random], None]:
    def run(data: bytes, chance: Random) -> None:
        (copy / MANIFEST).write_bytes(data)
        if chance.random() < 0.9:
            read_manifest(copy)
        else:
            verify(copy)

    return run


def _altered(copy: Path, files: Sequence[Path]) -> Callable[[bytes, Random], None]:
    """Alter one file and write a manifest that fits it: what is wrong must be found in the file itself."""

    def run(data: bytes, chance: Random) -> None:
        path = chance.choice(files)
        whole = path.read_bytes()
        try:
            path.write_bytes(data if path.suffix == ".json" else _cut(whole, chance))
            write_manifest(copy, Description.of(read_manifest(copy)))
            load_bundle(copy)
        finally:
            path.write_bytes(whole)

    return run


def _cut(whole: bytes, chance: Random) -> bytes:
    """Return the bytes cut short, or with some of the first or last replaced, where lengths and shapes stand."""
    if chance.random() < 0.4:
        return whole[: chance.randrange(len(whole))]
    changed = bytearray(whole)
    for _ in range(chance.randint(1, 4)):
        reach = min(len(changed), 400)
        place = chance.randrange(reach) if chance.random() < 0.7 else chance.randrange(len(changed))
        changed[place] = chance.randrange(256)
    return bytes(changed)


def bundle_targets(bundle: Path, directory: Path) -> Sequence[Target]:
    """Return them; they alter a copy of ``bundle`` below ``directory``."""
    copy = directory / "bundle"
    shutil.copytree(bundle, copy)
    small = _small_files(copy)
    native = sorted(path for path in copy.rglob("*") if path.suffix in _NATIVE)
    second = directory / "other"
    shutil.copytree(bundle, second)
    manifest = (second / MANIFEST).read_bytes()
    assert describe(second / MANIFEST).bytes == len(manifest)
    assert msgspec.json.decode(manifest)
    return (
        Target("manifest", [manifest], _manifest(second), 2, json_share=0.7),
        Target("bundle, json", [path.read_bytes() for path in small], _altered(copy, small), 0.02, json_share=0.6),
        Target("bundle, native", [b"{}"], _altered(copy, native), 0.02),
    )
