"""Recall: products encoded, the union of what the signals propose, and the cascade."""
