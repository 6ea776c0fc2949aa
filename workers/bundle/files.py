"""Write the manifest of a bundle, and check the bundle's files against it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any, Final, Self

import msgspec

from schemas.bundle import FORMAT, MANIFEST, BundleFile, Manifest
from schemas.errors import InvalidBundle

MAX_MANIFEST_BYTES: Final = 1_048_576
MAKE_ANEW: Final = "make the bundle again with `shelfwise fit`"
_FIT_AGAIN: Final = "copy the whole bundle again, or make it again with `shelfwise fit`"


@dataclass(frozen=True, slots=True)
class Description:
    """What a manifest says about a model besides its files; see :class:`schemas.bundle.Manifest`."""

    taxonomy_name: str
    taxonomy_version: str
    encoder: str
    cascade_encoder: str | None
    signals: tuple[str, ...]

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Return the description that a manifest contains."""
        return cls(**{field.name: getattr(manifest, field.name) for field in fields(cls)})


class _Format(msgspec.Struct):
    format: int


def write_json(file: Path, value: Any) -> None:
    """Write a value as the JSON of :func:`to_json`."""
    file.write_bytes(to_json(value))


def to_json(value: Any) -> bytes:
    """Return indented JSON that people can read; equal dataclasses and mappings give equal bytes."""
    # Numeric keys become text before they are sorted.
    plain = msgspec.to_builtins(value, str_keys=True)
    return msgspec.json.format(msgspec.json.encode(plain, order="sorted"), indent=2)


def write_manifest(directory: Path, description: Description) -> Manifest:
    """Hash every file below ``directory`` and write the manifest there."""
    files = {
        path.relative_to(directory).as_posix(): describe(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    manifest = Manifest(
        format=FORMAT,
        model_version=_version(files),
        created_at=datetime.now(UTC),
        shelfwise_version=version("shelfwise"),
        files=files,
        **asdict(description),
    )
    (directory / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    return manifest


def read_manifest(directory: Path) -> Manifest:
    """Read only the manifest; raises :class:`InvalidBundle`."""
    file = directory / MANIFEST
    if not file.is_file():
        raise InvalidBundle(
            f"{directory} is no model bundle: {MANIFEST} is missing; name a directory that `shelfwise fit` made"
        )
    if file.stat().st_size > MAX_MANIFEST_BYTES:
        raise InvalidBundle(f"{file}: larger than {MAX_MANIFEST_BYTES} bytes; {_FIT_AGAIN}")
    try:
        content = file.read_bytes()
        # Another format may have other fields.
        found = msgspec.json.decode(content, type=_Format).format
        if found != FORMAT:
            raise InvalidBundle(f"{file}: bundle format {found}, this version reads {FORMAT}; fit it anew")
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidBundle(f"{file}: {error}; {_FIT_AGAIN}") from None


def verify(directory: Path) -> Manifest:
    """Check every file against the manifest; raises :class:`InvalidBundle`, naming the first bad file."""
    manifest = read_manifest(directory)
    for name, expected in manifest.files.items():
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts:
            raise InvalidBundle(f"{directory / MANIFEST}: {name!r} points out of the bundle; {_FIT_AGAIN}")
        check(directory, name, expected, _FIT_AGAIN)
    if manifest.model_version != (digest := _version(manifest.files)):
        raise InvalidBundle(
            f"{directory / MANIFEST}: model_version {manifest.model_version} is not that of its files, {digest};"
            f" {_FIT_AGAIN}"
        )
    return manifest


def check(directory: Path, name: str, expected: BundleFile, remedy: str) -> None:
    """Check one file; raises :class:`InvalidBundle`, naming the file."""
    file = directory / name
    try:
        if not file.is_file():
            raise InvalidBundle(f"bundle {directory}: {name} is missing; {remedy}")
        if (size := file.stat().st_size) != expected.bytes:
            raise InvalidBundle(f"bundle {directory}: {name} has {size} bytes, not {expected.bytes}; {remedy}")
        if _sha256(file) != expected.sha256:
            raise InvalidBundle(f"bundle {directory}: {name} was altered: its SHA-256 differs; {remedy}")
    except OSError as error:  # such as a name that is too long
        raise InvalidBundle(f"bundle {directory}: {name[:200]} cannot be read: {error.strerror}") from None


def describe(file: Path) -> BundleFile:
    """Return the manifest's entry for a file."""
    return BundleFile(file.stat().st_size, _sha256(file))


def _version(files: dict[str, BundleFile]) -> str:
    digest = hashlib.sha256("".join(f"{name}\0{file.sha256}\n" for name, file in sorted(files.items())).encode())
    return digest.hexdigest()[:12]


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
