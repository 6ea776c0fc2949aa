"""Array operations: rows grouped by product, pairs, sparse rows, nearest vectors, and checks of stored arrays."""
