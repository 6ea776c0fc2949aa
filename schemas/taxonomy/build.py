"""Turn what a reader found into the nodes of a tree, and list every problem on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.taxonomy.node import (
    MAX_NODES,
    PATH_SEPARATOR,
    CategoryNode,
    fault_of_id,
    fault_of_path,
    fold_path,
    path_id,
)
from schemas.taxonomy.problem import Problem, ProblemKind, error, warning
from schemas.taxonomy.source import Entry, Parsed

_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Built:
    """The nodes that could be read, in file order, and all problems of the file, by line.

    ``created`` is the number of missing parents among the nodes. If a problem is an error, the nodes describe what
    is left of the file without it.
    """

    nodes: tuple[CategoryNode, ...]
    aliases: Mapping[str, str]
    created: int
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems because of which the file is refused."""
        return tuple(problem for problem in self.problems if problem.severity == "error")


def build_nodes(parsed: Parsed) -> Built:
    """Check the entries and turn them into nodes, adding missing parents.

    - A repeated line is read once, with a warning.
    - A path with a second id is one category: the first id is the node's, the second becomes an alias; a warning.
    - An id with a second path is an error, because a label with that id would be ambiguous.
    - A category with a blank name below parents that have names is left out, with a warning.
    - A missing parent is created just before its first child, not listed, with an id made from its path; a
      warning.
    """
    problems = list(parsed.problems)
    kept, aliases = _distinct(parsed.entries, problems)
    nodes, created = _with_parents(kept, problems)
    _note_case_variants(kept, problems)
    if not nodes and not any(problem.severity == "error" for problem in problems):
        remedy = "give a file with at least one category"
        problems.append(error(ProblemKind.EMPTY, 0, "the file holds no category", "", remedy))
    if len(nodes) > MAX_NODES:
        detail = f"{len(nodes):,} categories; a taxonomy may have {MAX_NODES:,}"
        problems.append(error(ProblemKind.TOO_LARGE, 0, detail, "", "give a smaller taxonomy"))
    problems.sort(key=lambda problem: problem.line)
    return Built(tuple(nodes), aliases, created, tuple(problems))


def _distinct(entries: Sequence[Entry], problems: list[Problem]) -> tuple[dict[_Path, Entry], dict[str, str]]:
    by_path: dict[_Path, Entry] = {}
    by_id: dict[str, Entry] = {}
    aliases: dict[str, str] = {}
    for entry in entries:
        if problem := _fault(entry, by_id):
            problems.append(problem)
            continue
        first = by_path.setdefault(entry.path, entry)
        if entry.id is not None:
            by_id.setdefault(entry.id, entry)
        if first is entry:
            continue
        text = PATH_SEPARATOR.join(entry.path)
        if entry.id is None or entry.id == first.id or entry.id in aliases:
            detail = f"repeats line {first.line}"
            problems.append(warning(ProblemKind.REPEATED_LINE, entry.line, detail, text, "read once"))
        else:
            aliases[entry.id] = _node_id(first)
            detail = f"the path of line {first.line} again, with another id"
            remedy = f"read as one category; {entry.id!r} is an alias of {aliases[entry.id]!r}"
            problems.append(warning(ProblemKind.DUPLICATE_PATH, entry.line, detail, text, remedy))
    return by_path, aliases


def _node_id(entry: Entry) -> str:
    return path_id(entry.path) if entry.id is None else entry.id


def _fault(entry: Entry, by_id: Mapping[str, Entry]) -> Problem | None:
    text = PATH_SEPARATOR.join(entry.path)
    if len(entry.path) > 1 and not entry.path[-1] and all(entry.path[:-1]):
        return warning(ProblemKind.NAMELESS, entry.line, "the category has no name", text, "left out")
    fault = fault_of_path(entry.path) or (fault_of_id(entry.id) if entry.id is not None else None)
    if fault:
        return error(ProblemKind.OUT_OF_BOUNDS, entry.line, fault, text, "correct this line")
    first = by_id.get(entry.id) if entry.id is not None else None
    if first and first.path != entry.path:
        detail = f"the id {entry.id!r} of line {first.line} again, for another category"
        return error(ProblemKind.DUPLICATE_ID, entry.line, detail, text, "give each category its own id")
    return None


def _with_parents(kept: Mapping[_Path, Entry], problems: list[Problem]) -> tuple[list[CategoryNode], int]:
    nodes: list[CategoryNode] = []
    created: set[_Path] = set()
    for path, entry in kept.items():
        for depth in range(1, len(path)):
            above = path[:depth]
            if above in kept or above in created:
                continue
            created.add(above)
            nodes.append(CategoryNode(path_id(above), above, is_listed=False))
            problems.append(_missing_parent(above, entry))
        nodes.append(CategoryNode(_node_id(entry), path))
    return nodes, len(created)


def _missing_parent(above: _Path, entry: Entry) -> Problem:
    detail = f"a parent of {entry.path[-1]!r} is not in the file"
    remedy = "created, for its children: no product is put in it"
    return warning(ProblemKind.MISSING_PARENT, entry.line, detail, PATH_SEPARATOR.join(above), remedy)


def _note_case_variants(kept: Mapping[_Path, Entry], problems: list[Problem]) -> None:
    first: dict[_Path, Entry] = {}
    for path, entry in kept.items():
        other = first.setdefault(fold_path(path), entry)
        if other is not entry and other.path[:-1] == path[:-1]:
            detail = f"differs from line {other.line} in case or width only"
            remedy = "kept; a label that matches neither exactly goes to the first"
            text = PATH_SEPARATOR.join(path)
            problems.append(warning(ProblemKind.SAME_BUT_FOR_CASE, entry.line, detail, text, remedy))
