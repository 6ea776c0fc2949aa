"""Classify a file of any size on all cores, and resume after an interruption."""
