"""Tables that can be trusted: stores that are never ahead of their changelog, and recovery in bulk."""
