"""Processes that a worker starts, and that report their metrics and health to it."""
