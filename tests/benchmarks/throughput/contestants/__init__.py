"""Programs that do the same job with the same model code, each a process of its own: ``python -m``."""
