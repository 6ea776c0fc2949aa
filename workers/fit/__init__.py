"""Fit: labelled products and a tree in, a model bundle out."""
