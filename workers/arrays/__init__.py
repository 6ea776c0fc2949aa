"""Arrays: rows of products, pairs, sparse rows, nearest vectors, and what stored ones must be."""
