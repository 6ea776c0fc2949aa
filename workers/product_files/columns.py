"""Which column of a file holds which of our fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from schemas.errors import InvalidProducts
from schemas.events.product import Product

COLUMNS: Final = (
    *Product.__struct_fields__,
    "store",
    "affiliate_network",
    "affiliate_category",
    "category_path",
    "category_id",
)
"""The columns that are read, under our names; a file may have others."""

REQUIRED: Final = ("product_id", "title")


class ColumnMap:
    """Maps our names to those in a file; an unmapped name stands for itself, one mapped to ``""`` is not read.

    Raises :class:`InvalidProducts` if a name is not in ``COLUMNS``, or a required one would not be read.
    """

    def __init__(self, theirs: Mapping[str, str] | None = None) -> None:
        self._theirs: Final = dict(theirs or {})
        for ours, name in self._theirs.items():
            if ours not in COLUMNS:
                raise InvalidProducts(f"there is no column {ours!r} to map; name one of {', '.join(COLUMNS)}")
            if not name and ours in REQUIRED:
                raise InvalidProducts(f"column {ours} cannot be left out; name it with --column {ours}=NAME")
        self._pairs: Final = tuple((ours, name) for ours in COLUMNS if (name := self.theirs(ours)))

    @classmethod
    def parse(cls, options: Iterable[str]) -> ColumnMap:
        """Make the map from texts such as ``title=Product Name`` or ``category_id=``.

        Raises :class:`InvalidProducts`.
        """
        theirs = {}
        for option in options:
            ours, equals, name = option.partition("=")
            if not equals:
                raise InvalidProducts(f"column mapping {option!r} has no '='; write it as title=NAME_IN_FILE")
            theirs[ours.strip()] = name.strip()
        return cls(theirs)

    @property
    def renames(self) -> bool:
        """Whether any column is mapped to another name, or not read."""
        return bool(self._theirs)

    def theirs(self, ours: str) -> str:
        """Return the file's name for our column, or ``""`` if it is not read."""
        return self._theirs.get(ours, ours)

    def those_read(self, header: Sequence[str]) -> list[str]:
        """Return the file's columns that are read."""
        return [theirs for _, theirs in self._pairs if theirs in header]

    def overlooked(self, header: Sequence[str]) -> list[tuple[str, str]]:
        """Return the file's columns that are not read only because of upper or lower case, each with our name."""
        absent = {theirs.casefold(): ours for ours, theirs in self._pairs if theirs not in header}
        return [(name, absent[name.casefold()]) for name in header if name.casefold() in absent]

    def rename(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the row under our names."""
        if not self._theirs:
            return row
        return {ours: row[theirs] for ours, theirs in self._pairs if theirs in row}

    def check_header(self, file: str, header: Sequence[str]) -> None:
        """Check the names of a file's columns.

        Raises :class:`InvalidProducts` if a required or mapped column is missing, or a column to read occurs
        twice.
        """
        if not any(header):
            raise InvalidProducts(f"{file}: is empty; give a file whose first line names its columns")
        for ours, theirs in self._pairs:
            if theirs not in header and (ours in REQUIRED or ours in self._theirs):
                other = next((name for name in header if name.casefold() == theirs.casefold()), "NAME")
                raise InvalidProducts(
                    f"{file}: has no column {theirs!r} for {ours}; it has"
                    f" {', '.join(map(repr, header))[:500]}; map the right one with --column {ours}={other}"
                )
        for _, theirs in self._pairs:
            if header.count(theirs) > 1:
                raise InvalidProducts(f"{file}: has more than one column {theirs!r}; rename all but one of them")
