"""The signals of recall: one module each, and a registry."""
