"""How good the decisions are on real catalogues, beside baselines that are hard to beat: ``make quality``."""
