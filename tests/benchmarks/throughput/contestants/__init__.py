"""Programs that do the same job with the same model code, each in a separate process: ``python -m``."""
