"""Turn text into sparse features: tokens and n-grams."""
