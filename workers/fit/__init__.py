"""Fit: turn labelled products and a tree into a model bundle."""
