"""The built-in sample catalogue: a category tree and a seeded stream of labelled products."""

from workers.sample.generate import DEFAULT_PRODUCTS, DEFAULT_SEED, generate_catalogue, write_catalogue
from workers.sample.tables import sample_taxonomy, write_taxonomy

__all__ = [
    "DEFAULT_PRODUCTS",
    "DEFAULT_SEED",
    "generate_catalogue",
    "sample_taxonomy",
    "write_catalogue",
    "write_taxonomy",
]
