"""Replay: publish past events again, alongside live traffic, so that they are decided again."""
