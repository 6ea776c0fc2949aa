"""Ranking: the features of candidates, their margins and probabilities, and the decision."""
