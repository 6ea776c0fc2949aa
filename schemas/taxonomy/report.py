"""The validation report on a taxonomy file, valid or not."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.taxonomy.build import build_nodes
from schemas.taxonomy.node import MAX_NODES, PATH_SEPARATOR
from schemas.taxonomy.problem import Problem
from schemas.taxonomy.readers import make_taxonomy, parse_taxonomy
from schemas.taxonomy.tree import Taxonomy

_LONGEST_NAMES: Final = 5
_SHOWN_PROBLEMS: Final = 40
_SHOWN_ROOTS: Final = 30


@dataclass(frozen=True, slots=True)
class TaxonomyReport:
    """What a taxonomy file contains, and everything that is wrong with it.

    ``valid`` says that the file has no error, so it can be read as a taxonomy. ``entries`` is the number of lines
    read as categories. The figures from ``nodes`` on describe what could be read, including created parents.
    ``depth_histogram`` maps a depth, 1 for roots, to its number of nodes. ``problems`` lists all problems, by
    line; ``problem_counts`` counts them by kind.
    """

    file: str
    format: str
    name: str
    version: str | None
    valid: bool
    entries: int
    nodes: int
    leaves: int
    created_parents: int
    aliases: int
    roots: tuple[str, ...]
    max_depth: int
    depth_histogram: dict[int, int]
    longest_names: tuple[str, ...]
    problem_counts: dict[str, int]
    problems: tuple[Problem, ...]

    def to_json(self) -> bytes:
        """Return the report as indented JSON, with all problems."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)

    def __rich__(self) -> RenderableType:
        """Return the report for a rich console, with at most 40 problems."""
        return Group(self._headline(), self._figures(), *self._problem_list())

    def _headline(self) -> Text:
        errors = sum(problem.severity == "error" for problem in self.problems)
        if self.valid:
            return Text(f"{self.file}: a valid taxonomy", style="bold green")
        return Text(f"{self.file}: not a valid taxonomy, {errors:,} errors", style="bold red")

    def _figures(self) -> Table:
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        depths = ", ".join(f"{depth}: {count:,}" for depth, count in self.depth_histogram.items())
        roots = ", ".join(self.roots[:_SHOWN_ROOTS]) + (", ..." if len(self.roots) > _SHOWN_ROOTS else "")
        counts = ", ".join(f"{kind}: {count:,}" for kind, count in self.problem_counts.items()) or "none"
        missing = f", {self.created_parents:,} of them missing parents that no product is put in"
        created = missing if self.created_parents else ""
        for label, value in (
            ("name, version", f"{self.name}, {self.version or '-'} ({self.format})"),
            ("categories read", f"{self.entries:,}"),
            ("nodes", f"{self.nodes:,}{created}; {self.leaves:,} leaves"),
            ("nodes by depth", depths),
            (f"{len(self.roots):,} roots", roots),
            ("longest names", "\n".join(self.longest_names)),
            ("problems", counts),
        ):
            table.add_row(Text(label, style="bold"), Text(value))
        return table

    def _problem_list(self) -> list[Text]:
        styles = {"error": "red", "warning": "yellow"}
        # Errors first, so that they are not the part of a long list that is cut.
        ordered = sorted(self.problems, key=lambda problem: problem.severity != "error")
        shown = [
            Text(f"{problem.severity}: {problem}", style=styles[problem.severity])
            for problem in ordered[:_SHOWN_PROBLEMS]
        ]
        hidden = len(ordered) - len(shown)
        return [*shown, Text(f"... and {hidden:,} more problems")] if hidden else shown


def validate_taxonomy(
    path: Path,
    *,
    format: str | None = None,  # noqa: A002 - the word users know from the command line
    separator: str = PATH_SEPARATOR,
) -> TaxonomyReport:
    """Report on a taxonomy file; options as for :func:`schemas.taxonomy.readers.read_taxonomy`.

    All problems are listed, not only the first. Raises :class:`schemas.errors.InvalidTaxonomy` only if no line can
    be checked: the file cannot be opened, is too large, or its header row names no column.
    """
    parsed = parse_taxonomy(path, format, separator)
    built = build_nodes(parsed)
    # The nodes that remain despite errors are still a tree: what did not fit was left out.
    tree = make_taxonomy(parsed, built) if 0 < len(built.nodes) <= MAX_NODES else None
    counts = Counter(str(problem.kind) for problem in built.problems)
    return TaxonomyReport(
        file=str(path),
        format=parsed.format,
        name=parsed.name,
        version=tree.version if tree else parsed.version,
        valid=not built.errors,
        entries=len(parsed.entries),
        nodes=len(built.nodes),
        created_parents=built.created,
        aliases=len(built.aliases),
        problem_counts=dict(counts.most_common()),
        problems=built.problems,
        leaves=int(tree.is_leaf.sum()) if tree else 0,
        roots=tuple(tree.names[root] for root in tree.roots) if tree else (),
        max_depth=int(tree.depths.max()) if tree else 0,
        depth_histogram=_depth_histogram(tree) if tree else {},
        longest_names=tuple(sorted(set(tree.names), key=_longest_first)[:_LONGEST_NAMES]) if tree else (),
    )


def _longest_first(name: str) -> tuple[int, str]:
    return -len(name), name


def _depth_histogram(tree: Taxonomy) -> dict[int, int]:
    return dict(sorted(Counter(tree.depths.tolist()).items()))
