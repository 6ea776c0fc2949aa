"""The baselines: each learns from labelled products and ranks categories."""
