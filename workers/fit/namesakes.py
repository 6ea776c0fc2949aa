"""Made-up products with the names of categories as titles, which teach a ranker what text alone is worth.

Without labels nearby (a new catalogue, a new shop, a category without products), a ranker that has only seen
labelled products trusts signals that know nothing there. The names of categories are labelled texts that every
tree provides. Surrounded by words of other categories, they are as unclear as real titles.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.events.product import Product
from schemas.taxonomy.tree import Taxonomy
from workers.text.tokens import words

# The weight of all namesakes together, in labelled products: negligible next to thousands, dominant next to ten.
WEIGHT: Final = 50.0
_MOST: Final = 1_000
_MOST_NOISE: Final = 12


def namesakes(taxonomy: Taxonomy, seed: int) -> tuple[list[Product], NDArray[np.int32]]:
    """Return at most 1,000 products and their labels, int32 (n,): names mixed with words of other names."""
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
