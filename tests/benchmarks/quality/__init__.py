"""The quality of decisions on real catalogues, compared with strong baselines: ``make quality``."""
