"""Ranking: features of candidates, margins, probabilities, and the decision."""
