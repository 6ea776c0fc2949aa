"""Interpret what a reviewer types."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from schemas.taxonomy.tree import Taxonomy
from workers.text.tokens import is_unspaced, words

SHOWN: Final = 9
_DIGITS: Final = 2
_ENDING: Final = re.compile(r"(?<=\w{3})(?:ies?|es?|y|(?<!s)s)$")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A node of the tree, or ``None`` if the product belongs nowhere in it."""

    node: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """The first nodes that a search found, out of ``total``."""

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
    """Return what the text means: the number of an ``offered`` node (from 1), a path, an id, or a search.

    An empty text and ``s`` skip, ``b`` goes back, ``q`` quits, ``n`` means nowhere. A search finds the categories
    whose path has, for each word, a word that starts with it or differs only in its ending; a word in a script
    without spaces may be anywhere within a word of the path. An offered node is ``None`` if the tree lacks it. A
    number of up to two digits is never an id.
    """
    text = text.strip()
    if (passed := _PASSES.get(text.casefold())) is not None:
        return passed
    if text.casefold() in ("n", "nowhere"):
        return Chosen(None)
    # Ids may be numbers too: a mistyped number must not be taken for an id.
    if text.isdecimal() and len(text) <= _DIGITS:
        node = offered[int(text) - 1] if 1 <= int(text) <= len(offered) else None
        return Found((), 0) if node is None else Chosen(node)
    node = find_category(text, taxonomy)
    if node is not None and (taxonomy.depths[node] > 1 or taxonomy.find_id(text) == node):
        return Chosen(node)
    # "furniture" may be a root or a search word: search for it, unless that finds nothing else.
    found = _search(text, taxonomy)
    return found if node is None or found.total > 1 else Chosen(node)


def find_category(text: str, taxonomy: Taxonomy) -> int | None:
    """Return the node of an id or a path such as ``Home > Lamps``, or ``None`` if the tree does not list it."""
    node = find_node(text, taxonomy)
    return node if node is not None and taxonomy.is_listed[node] else None


def find_node(text: str, taxonomy: Taxonomy) -> int | None:
    """Return the node of an id or a path, which the tree need not list, such as a department; or ``None``."""
    node = taxonomy.find_id(text)
    return taxonomy.find_path(text) if node is None else node


def _search(text: str, taxonomy: Taxonomy) -> Found:
    wanted = {word: _stem(word) for word in words(text)}
    stems = frozenset(wanted.values())
    found: list[tuple[int, int, tuple[str, ...], int]] = []
    for node in np.flatnonzero(taxonomy.is_listed).tolist() if wanted else ():
        path = taxonomy.paths[node]
        said = words(" ".join(path))
        # First a fast test: few paths have all stems, each at the beginning of a word.
        line = " ".join(("", *said))
        if all((stem if is_unspaced(stem) else f" {stem}") in line for stem in stems) and all(
            any(_says(has, word) or _stem(has) == stem for has in said) for word, stem in wanted.items()
        ):
            others = [word for word in words(path[-1]) if _stem(word) not in stems]
            found.append((len(others), len(path), path, node))
    # First the nodes whose own name has the fewest other words, then the shortest paths: "lamp" more likely means
    # lamps in general than one kind of them or their accessories.
    found.sort()
    return Found(tuple(node for *_, node in found[:SHOWN]), len(found))


def _says(has: str, word: str) -> bool:
    return word in has if is_unspaced(word) else has.startswith(word)


def _stem(word: str) -> str:
    """Return what "dress" and "dresses", or "accessory" and "accessories", have in common."""
    return _ENDING.sub("", word)
