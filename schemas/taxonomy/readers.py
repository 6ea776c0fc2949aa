"""Read a taxonomy file in any of the formats."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Final

from schemas.errors import InvalidTaxonomy
from schemas.taxonomy.build import Built, build_nodes
from schemas.taxonomy.delimited import find_layout, read_delimited
from schemas.taxonomy.node import PATH_SEPARATOR, content_version
from schemas.taxonomy.source import Parsed, Source, read_source
from schemas.taxonomy.text_formats import (
    GOOGLE,
    PATHS,
    SHOPIFY,
    TEXT_FORMATS,
    category_lines,
    read_text,
    stated_version,
)
from schemas.taxonomy.tree import Taxonomy

FORMATS: Final = (*TEXT_FORMATS, "delimited")
_log = logging.getLogger(__name__)

_DELIMITED_SUFFIXES: Final = frozenset({".csv", ".tsv"})


def read_taxonomy(
    path: Path,
    *,
    format: str | None = None,  # noqa: A002 - the word users know from the command line
    separator: str = PATH_SEPARATOR,
) -> Taxonomy:
    """Read a taxonomy file.

    ``format`` is one of ``FORMATS``, or ``None`` to detect it from the content. If ``separator`` occurs in no
    line, but does occur without its spaces (``>``), the latter is used. :func:`schemas.taxonomy.build.build_nodes`
    says what is a warning and what is an error; warnings are counted in the log. Raises :class:`InvalidTaxonomy`
    with the file, the line, its text and the remedy.
    """
    parsed = parse_taxonomy(path, format, separator)
    built = build_nodes(parsed)
    if errors := built.errors:
        more = f" (and {len(errors) - 1:,} more errors)" if len(errors) > 1 else ""
        raise InvalidTaxonomy(f"{path}, {errors[0]}{more}" if errors[0].line else f"{path}: {errors[0]}{more}")
    if built.problems:
        kinds = Counter(str(problem.kind) for problem in built.problems)
        counts = ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common())
        _log.warning("%s was read with these warnings: %s; `shelfwise taxonomy check` lists them", path, counts)
    return make_taxonomy(parsed, built)


def make_taxonomy(parsed: Parsed, built: Built) -> Taxonomy:
    """Make the tree from nodes without errors; raises :class:`InvalidTaxonomy`."""
    version = parsed.version or content_version(built.nodes)
    return Taxonomy(parsed.name, version, built.nodes, aliases=built.aliases)


def parse_taxonomy(path: Path, format_name: str | None, separator: str) -> Parsed:
    """Read the entries of a file and the problems of its lines. Raises :class:`InvalidTaxonomy`."""
    if not separator.strip():
        raise InvalidTaxonomy(f"separator {separator!r} is blank; name one such as {PATH_SEPARATOR!r}")
    source = read_source(path)
    name = format_name or _sniff(source)
    separator = _separator_in(source, separator)
    if name == "delimited":
        parsed = read_delimited(source, separator)
    elif name in TEXT_FORMATS:
        parsed = read_text(source, TEXT_FORMATS[name], separator)
    else:
        raise InvalidTaxonomy(f"taxonomy format {name!r} is unknown; choose one of {', '.join(FORMATS)}")
    parsed.problems[:0] = source.problems
    return parsed


def _sniff(source: Source) -> str:
    for form in (GOOGLE, SHOPIFY):
        if stated_version(source, form):
            first = next(category_lines(source), None)
            # Google also publishes the tree without ids, under the same header.
            return form.name if first is None or form.category.fullmatch(first.text.strip()) else PATHS.name
    if source.path.suffix.lower() in _DELIMITED_SUFFIXES or find_layout(source):
        return "delimited"
    first = next(category_lines(source), None)
    for form in (SHOPIFY, GOOGLE):
        if first and form.category.fullmatch(first.text.strip()):
            return form.name
    return PATHS.name


def _separator_in(source: Source, separator: str) -> str:
    bare = separator.strip()
    if bare == separator or any(separator in line.text for line in source.lines):
        return separator
    return bare if any(bare in line.text for line in source.lines) else separator
