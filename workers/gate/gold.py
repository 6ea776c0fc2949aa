"""The gold set: labelled products that no model learns from, frozen by the digest of their file."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.errors import GateRefused
from schemas.taxonomy.tree import Taxonomy
from workers.fit.labels import LabelledProducts, find_label, label_products
from workers.product_files import LabelledProduct

LOCK_SUFFIX: Final = ".sha256"
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class GoldSet:
    """The labelled rows of a gold file; ``unlabelled`` counts the rows left out."""

    name: str
    sha256: str
    rows: list[LabelledProduct]
    unlabelled: int

    @classmethod
    def of(cls, name: str, sha256: str, rows: Sequence[LabelledProduct]) -> GoldSet:
        """Keep the labelled rows."""
        labelled = [row for row in rows if row.is_labelled]
        return cls(name, sha256, labelled, len(rows) - len(labelled))


def frozen_digest(file: Path, expected: str | None = None) -> str:
    """Return the hexadecimal SHA-256 of a gold file, after checking that the file has not changed.

    ``expected`` is what it must be. Without it, the digest must match the file ``FILE.sha256`` next to the gold
    file, if :func:`freeze` has written one (in the format of ``sha256sum``). Raises :class:`GateRefused` if the
    gold set has changed.
    """
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if expected is not None:
        if digest != expected.lower():
            raise GateRefused(f"{file} has SHA-256 {digest}, not {expected}: the gold set was changed; restore it")
        return digest
    lock = _lock_of(file)
    if not lock.exists():
        return digest
    try:
        locked = lock.read_text(errors="replace")[:200].split()
    except OSError as error:
        raise GateRefused(
            f"{lock} cannot be read: {error.strerror}; name the digest instead: --gold-sha256 {digest}"
        ) from None
    if not locked or locked[0].lower() != digest:
        raise GateRefused(
            f"{file} has SHA-256 {digest}, {lock.name} says {locked[0] if locked else 'nothing'}: the gold set was"
            f" changed. Restore it; or, to start a new gold set, delete {lock} and gate the current bundle on it"
        )
    return digest


def freeze(file: Path, digest: str) -> None:
    """Write the digest of a usable gold file next to it, unless it is there already.

    Raises :class:`GateRefused` if it cannot be written.
    """
    lock = _lock_of(file)
    if lock.exists():
        return
    try:
        lock.write_bytes(f"{digest}  ".encode() + os.fsencode(file.name) + b"\n")
    except OSError as error:
        raise GateRefused(
            f"{lock} cannot be written: {error}; name the digest instead: --gold-sha256 {digest}"
        ) from None


def _lock_of(file: Path) -> Path:
    return file.with_name(file.name + LOCK_SUFFIX)


def label_in_all_trees(
    gold: GoldSet, trees: Sequence[Taxonomy], *, skip_unknown: bool = False
) -> tuple[list[LabelledProducts], int]:
    """Find the labels of the same products in several trees, by path or id.

    Returns the labelled products for each tree, and how many products were left out.
    Raises :class:`GateRefused` if a label is missing from a tree, unless ``skip_unknown`` says to leave such
    products out, or if no product remains. Raises :class:`schemas.errors.InvalidProducts` if a product's id and
    path mean different categories.
    """
    known, unknown = [], Counter[str]()
    for row in gold.rows:
        missing = [tree for tree in trees if find_label(row, tree) is None]
        if missing:
            label = row.category_id or " > ".join(row.category_path or ())
            unknown[f"{label} (not in {missing[0].name} {missing[0].version})"] += 1
        else:
            known.append(row)
    if unknown and not skip_unknown:
        shown = "; ".join(f"{label}: {count}" for label, count in unknown.most_common(_SHOWN))
        raise GateRefused(
            f"{unknown.total()} gold products have one of {len(unknown)} categories that a bundle's tree lacks, so"
            f" the bundles cannot be compared on them: {shown}; relabel them, fit with their categories, or leave"
            " them out with --skip-unknown-categories"
        )
    if not known:
        raise GateRefused(_why_none_is_left(gold, unknown))
    return [label_products(known, tree) for tree in trees], unknown.total()


def _why_none_is_left(gold: GoldSet, unknown: Counter[str]) -> str:
    if unknown:
        shown = "; ".join(label for label, _ in unknown.most_common(_SHOWN))
        return (
            f"none of the {unknown.total():,} labels of {gold.name} is a category of every bundle's tree: {shown};"
            " name the gold set that goes with these bundles"
        )
    if gold.unlabelled:
        return (
            f"none of the {gold.unlabelled:,} products of {gold.name} has a label; give category_path or"
            " category_id, or name the column that holds it with --column category_path=NAME"
        )
    return f"{gold.name} holds no product that can be read; name a file of labelled products"
