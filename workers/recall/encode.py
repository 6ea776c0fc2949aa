"""Encode the texts of products as vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from schemas.events.product import Product
from workers.encoders.base import Encoder
from workers.recall.batch import Batch
from workers.statistics import Statistics
from workers.text.product_text import branded_text, description_text, embedding_text


def encode_products(encoder: Encoder, products: Sequence[Product], statistics: Statistics) -> Batch:
    """Encode the texts of products: three texts per product if the encoder is cheap, else only one."""
    if not encoder.is_cheap:
        vectors = encoder.encode([embedding_text(product) for product in products])
        return Batch(products, vectors, vectors, vectors, statistics)
    texts = [read(product) for read in (embedding_text, branded_text, description_text) for product in products]
    vectors, branded, described = np.split(encoder.encode(texts), 3)
    described = np.where(described.any(axis=1, keepdims=True), described, vectors)
    return Batch(products, vectors, branded, described, statistics)
