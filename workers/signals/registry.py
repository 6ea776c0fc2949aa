"""The signals in use. To add one, write its module and list its class here."""

from __future__ import annotations

from typing import Final

from workers.signals.affiliate_category import AffiliateCategory
from workers.signals.base import Signal
from workers.signals.brand_frequency import BrandFrequency
from workers.signals.category_words import CategoryWords
from workers.signals.closest_example import ClosestExample
from workers.signals.embedding_classifier import EmbeddingClassifier
from workers.signals.labelled_neighbours import LabelledNeighbours
from workers.signals.linear_parent import LinearParent
from workers.signals.linear_text import LinearText
from workers.signals.merchant_category import MerchantCategory
from workers.signals.naive_bayes import NaiveBayes
from workers.signals.ngram_vectors import NgramVectors
from workers.signals.price import Price
from workers.signals.sibling_examples import SiblingExamples
from workers.signals.store_cooccurrence import StoreCooccurrence
from workers.signals.tags import Tags
from workers.signals.text_embedding import TextEmbedding

SIGNALS: Final[tuple[type[Signal], ...]] = (
    TextEmbedding,
    CategoryWords,
    LabelledNeighbours,
    ClosestExample,
    SiblingExamples,
    EmbeddingClassifier,
    LinearText,
    LinearParent,
    NaiveBayes,
    NgramVectors,
    MerchantCategory,
    Tags,
    AffiliateCategory,
    BrandFrequency,
    StoreCooccurrence,
    Price,
)

SENTENCE_SIGNALS: Final[tuple[type[Signal], ...]] = (
    TextEmbedding,
    CategoryWords,
    LabelledNeighbours,
    ClosestExample,
    EmbeddingClassifier,
)
"""The signals that a cascade runs on its sentence encoder; all of them use its vectors."""

_SPELT: Final = {
    "naive_bayes": "naive Bayes",
    "ngram_vectors": "n-gram vectors",
    "store_cooccurrence": "store co-occurrence",
}


def title_of(signal: str) -> str:
    """Return the display name of a signal, for tables and plots."""
    return _SPELT.get(signal, signal.replace("_", " "))
