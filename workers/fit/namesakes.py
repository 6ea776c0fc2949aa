"""Products made of the tree's own words, from which a ranker learns what text alone is worth.

Where no label is near (a new catalogue, a new shop, a category without products), a ranker that has seen
labelled products alone trusts signals that know nothing there. Names of categories are labelled texts that every
tree brings along; with words of other categories around them they are as unclear as titles are.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.events.product import Product
from schemas.taxonomy.tree import Taxonomy
from workers.text.tokens import words

# What all namesakes together weigh, in labelled products: little beside thousands, most beside ten.
WEIGHT: Final = 50.0
_MOST: Final = 1_000
_MOST_NOISE: Final = 12


def namesakes(taxonomy: Taxonomy, seed: int) -> tuple[list[Product], NDArray[np.int32]]:
    """Return at most 1,000 products and their labels, int32 (n,): names among words of other names."""
    random = np.random.default_rng(seed)
    listed = np.flatnonzero(taxonomy.is_listed)
    chosen = np.sort(random.permutation(listed)[:_MOST]).astype(np.int32)
    others = sorted({word for name in taxonomy.names for word in words(name)}) or ["thing"]
    products = []
    for node in chosen.tolist():
        noise = random.choice(others, random.integers(0, _MOST_NOISE + 1)).tolist()
        title = " ".join([*noise, taxonomy.names[node]])
        products.append(Product(product_id=f"namesake-{node}", title=title))
    return products, chosen
