"""The product texts that the baselines read, and their TF-IDF matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer

from schemas.events.product import Product
from workers.text.tokens import words

_DESCRIPTION_CHARACTERS: Final = 600
_ENCODED_DESCRIPTION_CHARACTERS: Final = 100


def whole_text(product: Product) -> str:
    """Return title, brand, merchant's category, the start of the description and tags as one text."""
    parts = (product.title, product.brand, product.merchant_category, _description(product), _tags(product))
    return " ".join(filter(None, parts))


def plain_words(product: Product) -> str:
    """Return the folded words of :func:`whole_text`, separated by single spaces."""
    return " ".join(words(whole_text(product)))


def sentence(product: Product) -> str:
    """Return the text for a sentence encoder, with less description, because the cost grows with the length."""
    description = (product.description or "")[:_ENCODED_DESCRIPTION_CHARACTERS]
    return ". ".join(filter(None, (product.title, product.brand, product.merchant_category, description)))


def short_sentence(product: Product) -> str:
    """Return the shortest text that says what the product is: title and merchant's category."""
    return ". ".join(filter(None, (product.title, product.merchant_category)))


def one_vectoriser(training: Sequence[Product], test: Sequence[Product]) -> tuple[csr_matrix, csr_matrix]:
    """Return TF-IDF of the whole text, float32 (n, t): words, pairs of words, and characters within words."""
    return _tfidf([whole_text(product) for product in training], [whole_text(product) for product in test])


def vectoriser_a_field(training: Sequence[Product], test: Sequence[Product]) -> tuple[csr_matrix, csr_matrix]:
    """Return TF-IDF of each field side by side, so that title words differ from description words."""
    sides: tuple[list[Any], list[Any]] = ([], [])
    for field in (_title, _brand, _merchant_category, _description, _tags):
        texts = [field(product) for product in training]
        if any(texts):
            for side, matrix in zip(sides, _tfidf(texts, [field(product) for product in test]), strict=True):
                side.append(matrix)
    return hstack(sides[0]).tocsr(), hstack(sides[1]).tocsr()


def _tfidf(training: list[str], test: list[str]) -> tuple[csr_matrix, csr_matrix]:
    """Vectorise; vocabulary and weights are learned from the training side."""
    # Most character n-grams occur once and are useless; with few products, all of them are needed.
    rarest = 2 if len(training) >= 1_000 else 1
    by_words = TfidfVectorizer(
        ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", sublinear_tf=True, dtype=np.float32
    )
    by_characters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), min_df=rarest, sublinear_tf=True, dtype=np.float32
    )
    sides: tuple[list[Any], list[Any]] = ([], [])
    for vectoriser in (by_words, by_characters):
        try:
            sides[0].append(vectoriser.fit_transform(training))
        except ValueError:  # no n-gram is left, because the field is blank
            continue
        sides[1].append(vectoriser.transform(test))
    if not sides[0]:
        return _blank(len(training)), _blank(len(test))
    return hstack(sides[0]).tocsr(), hstack(sides[1]).tocsr()


def _blank(rows: int) -> csr_matrix:
    return csr_matrix(np.zeros((rows, 1), np.float32))


def _title(product: Product) -> str:
    return product.title


def _brand(product: Product) -> str:
    return product.brand or ""


def _merchant_category(product: Product) -> str:
    return product.merchant_category or ""


def _tags(product: Product) -> str:
    return " ".join(product.tag_list())


def _description(product: Product) -> str:
    return (product.description or "")[:_DESCRIPTION_CHARACTERS]
