"""The events, one module each, and what they share: codec, CloudEvents headers and dead letters."""
