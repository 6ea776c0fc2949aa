"""Category trees: the tree in memory, readers for its file formats, and a report on a file."""

from schemas.taxonomy.node import CategoryNode
from schemas.taxonomy.readers import FORMATS, read_taxonomy
from schemas.taxonomy.report import TaxonomyReport, validate_taxonomy
from schemas.taxonomy.tree import Taxonomy

__all__ = ["FORMATS", "CategoryNode", "Taxonomy", "TaxonomyReport", "read_taxonomy", "validate_taxonomy"]
