"""Replay: history is published once more, beside live traffic, to be decided anew."""
