"""What a reviewer types, understood."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from schemas.taxonomy.tree import Taxonomy
from workers.text.tokens import words

SHOWN: Final = 9
_DIGITS: Final = 2
_ENDING: Final = re.compile(r"(?<=\w{3})(?:ies?|es?|y|(?<!s)s)$")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A node of the tree, or ``None`` where the product belongs nowhere in it."""

    node: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """Nodes that a search found, the first of ``total``."""

    nodes: tuple[int, ...]
    total: int


Pass = Literal["skip", "back", "quit"]
_PASSES: Final[dict[str, Pass]] = {
    "": "skip",
    "s": "skip",
    "skip": "skip",
    "b": "back",
    "back": "back",
    "q": "quit",
    "quit": "quit",
}


def understand(text: str, offered: Sequence[int | None], taxonomy: Taxonomy) -> Chosen | Found | Pass:
    """Return what is meant: a number of ``offered`` nodes, counted from 1, a path, an id, or words to search for.

    Nothing and ``s`` skip, ``b`` goes back, ``q`` quits, ``n`` is nowhere. A search is for categories whose path
    has, for each word, one that begins with it or differs in its ending alone. An offered node is ``None`` where
    the tree does not have it. A number of up to two digits is never an id.
    """
    text = text.strip()
    if (passed := _PASSES.get(text.casefold())) is not None:
        return passed
    if text.casefold() in ("n", "nowhere"):
        return Chosen(None)
    # Ids may be numbers too: what is mistyped must not be taken for one.
    if text.isdecimal() and len(text) <= _DIGITS:
        node = offered[int(text) - 1] if 1 <= int(text) <= len(offered) else None
        return Found((), 0) if node is None else Chosen(node)
    node = find_category(text, taxonomy)
    if node is not None and (taxonomy.depths[node] > 1 or taxonomy.find_id(text) == node):
        return Chosen(node)
    # "furniture" may be the root, or a word to search for: it is offered first, unless there is nothing else.
    found = _search(text, taxonomy)
    return found if node is None or found.total > 1 else Chosen(node)


def find_category(text: str, taxonomy: Taxonomy) -> int | None:
    """Return the node of an id or a path such as ``Home > Lamps``, ``None`` where the tree does not list it."""
    node = taxonomy.find_id(text)
    if node is None:
        node = taxonomy.find_path(text)
    return node if node is not None and taxonomy.is_listed[node] else None


def _search(text: str, taxonomy: Taxonomy) -> Found:
    wanted = {word: _stem(word) for word in words(text)}
    stems = frozenset(wanted.values())
    found: list[tuple[int, int, tuple[str, ...], int]] = []
    for node in np.flatnonzero(taxonomy.is_listed).tolist() if wanted else ():
        path = taxonomy.paths[node]
        said = words(" ".join(path))
        # The quicker test first: few have words that begin with the stems.
        line = " ".join(("", *said))
        if all(f" {stem}" in line for stem in stems) and all(
            any(has.startswith(word) or _stem(has) == stem for has in said) for word, stem in wanted.items()
        ):
            others = [word for word in words(path[-1]) if _stem(word) not in stems]
            found.append((len(others), len(path), path, node))
    # Those first whose own name says little else, then the shortest paths: "lamp" means the lamps more than one
    # kind of them, or what is sold for them.
    found.sort()
    return Found(tuple(node for *_, node in found[:SHOWN]), len(found))


def _stem(word: str) -> str:
    """Return what "dress" and "dresses" have in common, or "accessory" and "accessories"."""
    return _ENDING.sub("", word)
