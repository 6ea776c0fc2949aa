"""Read the formats with one category per line: Google's, Shopify's, and bare paths.

Google: ``taxonomy-with-ids.en-US.txt``, https://support.google.com/merchants/answer/6324436.
Shopify: ``dist/en/categories.txt`` in https://github.com/Shopify/product-taxonomy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from schemas.taxonomy.node import split_path
from schemas.taxonomy.problem import ProblemKind, error
from schemas.taxonomy.source import Entry, Line, Parsed, Source


@dataclass(frozen=True, slots=True)
class TextFormat:
    """A format with one category per line, and comments that start with ``#`` and a space.

    ``category`` matches such a line, with the group ``path`` and, if the format has ids, ``id``. ``header``
    matches the comment in which ``publisher`` states the version (group 1). ``example`` is a line to show in an
    error.
    """

    name: str
    category: re.Pattern[str]
    header: re.Pattern[str]
    publisher: str
    example: str


# An id contains a digit: this distinguishes "12 - A > B" from the bare path "Toys - Games > Puzzles".
_ID_AND_PATH: Final = re.compile(r"(?P<id>(?=\S*\d)\S+)\s+-\s+(?P<path>\S.*)")

GOOGLE: Final = TextFormat(
    "google",
    _ID_AND_PATH,
    re.compile(r"#\s*Google_Product_Taxonomy_Version:\s*(\S+)"),
    "google",
    "3237 - Animals > Live Animals",
)
SHOPIFY: Final = TextFormat(
    "shopify",
    re.compile(r"(?P<id>gid://\S+)\s+:\s+(?P<path>\S.*)"),
    re.compile(r"#\s*Shopify Product Taxonomy[^:]*:\s*(\S+)"),
    "shopify",
    "gid://shopify/TaxonomyCategory/ap-1 : Animals > Live Animals",
)
PATHS: Final = TextFormat(
    "paths", re.compile(r"(?P<path>\S.*)"), GOOGLE.header, "google", "Animals > Live Animals"
)

TEXT_FORMATS: Final[Mapping[str, TextFormat]] = {form.name: form for form in (GOOGLE, SHOPIFY, PATHS)}


def is_comment(line: Line) -> bool:
    """Whether the line is a comment: ``#`` and a space, so that "#1 Gifts" stays a category."""
    return line.text.lstrip().startswith("# ") or line.text.strip() == "#"


def category_lines(source: Source) -> Iterator[Line]:
    """Yield the lines that are not comments."""
    return (line for line in source.lines if not is_comment(line))


def stated_version(source: Source, form: TextFormat) -> str | None:
    """Return the version stated by a comment before the first category, or ``None``."""
    for line in source.lines:
        if not is_comment(line):
            return None
        if match := form.header.match(line.text.strip()):
            return match[1]
    return None


def read_text(source: Source, form: TextFormat, separator: str) -> Parsed:
    """Read a file in this format; a line that does not match it becomes a problem.

    The tree is named after the publisher if the file states the version as that publisher does, otherwise after
    the file.
    """
    version = stated_version(source, form)
    parsed = Parsed(form.name, form.publisher if version else source.path.stem, version)
    for line in category_lines(source):
        if match := form.category.fullmatch(line.text.strip()):
            path = split_path(match["path"], separator)
            parsed.entries.append(Entry(line.number, match.groupdict().get("id"), path))
        else:
            detail = f"not a line of the format {form.name}"
            remedy = f"write it like {form.example!r}"
            parsed.problems.append(error(ProblemKind.UNREADABLE_LINE, line.number, detail, line.text, remedy))
    return parsed
