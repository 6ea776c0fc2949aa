"""The baselines, which learn from labelled products and rank categories."""
