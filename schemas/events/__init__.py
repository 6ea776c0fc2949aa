"""The events: one module each, with the codec, CloudEvents headers and dead letters they share."""
