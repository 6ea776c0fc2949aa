"""A category, the limits on it, and how names and paths are written and compared."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

MAX_NODES: Final = 500_000
MAX_DEPTH: Final = 32
MAX_NAME_LENGTH: Final = 512
MAX_ID_LENGTH: Final = 256
PATH_SEPARATOR: Final = " > "

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class CategoryNode:
    """A category: its id, unique in the tree, and the names from the root to it.

    ``is_listed`` is false if no file or path named it, and it was only created as the missing parent of another.
    """

    id: str
    path: tuple[str, ...]
    is_listed: bool = True


def clean_name(name: str) -> str:
    """Return the name with each run of whitespace replaced by one space, and none at the ends."""
    return " ".join(name.split())


def fold_name(name: str) -> str:
    """Return a form that is equal for names that differ only in case, width (NFKC) or whitespace."""
    return clean_name(unicodedata.normalize("NFKC", name).casefold())


def fold_path(path: Sequence[str]) -> tuple[str, ...]:
    """Return the path with every name folded by :func:`fold_name`."""
    return tuple(fold_name(name) for name in path)


def split_path(text: str, separator: str = PATH_SEPARATOR) -> tuple[str, ...]:
    """Split ``"A > B"`` into cleaned names. A blank part is kept, as ``""``, for the caller to refuse."""
    # Padded, so that a separator at either end still gives a blank part after the line was stripped.
    return tuple(clean_name(part) for part in f" {text} ".split(separator))


def path_id(path: Sequence[str]) -> str:
    """Return the id for a category that was given none: 16 hexadecimal digits of its path's SHA-256.

    The names are joined by U+001F, which no name may contain, so two paths never have the same input. With 64
    bits, a collision by chance among 500,000 categories is less likely than 1 in 10^8, and the tree, whose ids
    must be unique, would refuse it.
    """
    return hashlib.sha256("\x1f".join(path).encode()).hexdigest()[:16]


def content_version(nodes: Iterable[CategoryNode]) -> str:
    """Return ``"sha256-"`` and 12 hexadecimal digits of the nodes' digest: the version if none is stated.

    It depends on the ids and paths in their order, and on which nodes are not listed, but not on line endings,
    comments or layout.
    """
    digest = hashlib.sha256()
    for node in nodes:
        # No name is blank, so a blank one at the end marks the node.
        mark = () if node.is_listed else ("",)
        digest.update("\x1f".join((node.id, *node.path, *mark)).encode() + b"\x1e")
    return f"sha256-{digest.hexdigest()[:12]}"


def fault_of_name(name: str) -> str | None:
    """Return what is wrong with the name of a category, or ``None``."""
    if not name.strip():
        return "a name is blank"
    if len(name) > MAX_NAME_LENGTH:
        return f"a name has {len(name):,} characters; it may have {MAX_NAME_LENGTH}"
    if _CONTROL.search(name):
        return f"the name {name!r} holds a control character"
    return None


def fault_of_path(path: Sequence[str]) -> str | None:
    """Return what is wrong with a path, or ``None``."""
    if not path:
        return "the path is empty"
    if len(path) > MAX_DEPTH:
        return f"the path has {len(path)} levels; it may have {MAX_DEPTH}"
    return next((fault for name in path if (fault := fault_of_name(name))), None)


def fault_of_id(node_id: str) -> str | None:
    """Return what is wrong with the id of a category, or ``None``."""
    if not node_id.strip():
        return "an id is blank"
    if len(node_id) > MAX_ID_LENGTH:
        return f"an id has {len(node_id):,} characters; it may have {MAX_ID_LENGTH}"
    if _CONTROL.search(node_id):
        return f"the id {node_id!r} holds a control character"
    return None
