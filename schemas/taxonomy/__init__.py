"""Category trees: the tree in memory, readers of the formats it comes in, and a report on a file."""

from schemas.taxonomy.node import CategoryNode
from schemas.taxonomy.tree import Taxonomy

__all__ = ["CategoryNode", "Taxonomy"]
