"""Build a tree from the labels if no file of categories is given."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from schemas.errors import InvalidProducts
from schemas.taxonomy.node import fold_name
from schemas.taxonomy.tree import Taxonomy
from workers.product_files import LabelledProduct

Path = tuple[str, ...]

SEPARATORS: Final = (" / ", "/", "\u00bb", "\u203a", "\u2192", "\uff1e", "::")
"""What stands between the names of paths elsewhere, the longer ones first."""


def taxonomy_of_labels(rows: Sequence[LabelledProduct]) -> Taxonomy:
    """Make a tree from the paths that the labels name.

    Names under the same parent that differ only in case, width or whitespace are one category. It gets the
    spelling that most labels have, or the first one if tied. Raises :class:`InvalidProducts` if no label is a
    path.
    """
    paths = Counter(row.category_path for row in rows if row.category_path)
    if not paths:
        raise InvalidProducts(
            "no product has a category_path; name the column that holds it with --column category_path=NAME,"
            " or the tree of the products' category ids with --taxonomy FILE"
        )
    folded = _folded_names(paths)
    spellings: defaultdict[Path, Counter[str]] = defaultdict(Counter)
    for path, count in paths.items():
        for depth, node in enumerate(_folded_prefixes(path, folded)):
            spellings[node][path[depth]] += count
    chosen = {node: names.most_common(1)[0][0] for node, names in spellings.items()}
    return Taxonomy.from_paths(
        "labels", None, [[chosen[node] for node in _folded_prefixes(path, folded)] for path in paths]
    )


def other_spellings(rows: Iterable[LabelledProduct], taxonomy: Taxonomy) -> dict[Path, int]:
    """Return the label paths that the tree has under another spelling, and the node of each."""
    known = frozenset(taxonomy.paths)
    paths = dict.fromkeys(row.category_path for row in rows if row.category_path)
    nodes = ((path, taxonomy.find_path(path)) for path in paths if path not in known)
    return {path: node for path, node in nodes if node is not None}


def likely_separator(taxonomy: Taxonomy) -> str | None:
    """Return a text that most names contain and that usually separates the names of a path.

    ``None`` if there is no such text, or if the tree has more than one level.
    """
    if taxonomy.depths.max() > 1:
        return None
    names = taxonomy.names
    return next((text for text in SEPARATORS if 2 * sum(text in name for name in names) > len(names)), None)


def _folded_names(paths: Iterable[Path]) -> dict[str, str]:
    return {name: fold_name(name) for name in {name for path in paths for name in path}}


def _folded_prefixes(path: Path, folded: dict[str, str]) -> list[Path]:
    names = tuple(folded[name] for name in path)
    return [names[:depth] for depth in range(1, len(names) + 1)]
