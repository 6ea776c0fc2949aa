"""Classify a file of any size with all cores, and go on where it was interrupted."""
