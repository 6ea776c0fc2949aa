"""Text to sparse features: tokens and n-grams."""
