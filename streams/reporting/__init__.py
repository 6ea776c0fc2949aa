"""Processes that a worker starts, which tell it of their metrics and health."""
