"""Files of products, labelled or not: JSON lines, CSV or TSV, Parquet, read row by row in bounded memory."""

from workers.product_files.columns import COLUMNS, ColumnMap
from workers.product_files.file import FORMATS, ProductFile
from workers.product_files.rows import LabelledProduct

__all__ = ["COLUMNS", "FORMATS", "ColumnMap", "LabelledProduct", "ProductFile"]
