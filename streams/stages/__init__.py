"""The stages of a worker, each from start to stop."""
