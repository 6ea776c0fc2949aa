"""The signals used by recall, one module each, and their registry."""
