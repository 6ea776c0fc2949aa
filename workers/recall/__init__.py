"""Recall: encode products, collect the candidates that the signals propose, and run the cascade."""
