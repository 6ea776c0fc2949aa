"""The decisions that consumers subscribe to: category assigned, and needs review."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from schemas.events.batch import Outcome
from schemas.events.position import SourcePosition
from schemas.events.product import ProductId, ShortText, Timestamp, Title

Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
ReviewReason = Literal["low_confidence", "no_candidates", "new_store", "belongs_nowhere"]


class Category(msgspec.Struct, frozen=True):
    """A node of the taxonomy: its id there, and the names from the root to it."""

    id: str
    path: tuple[str, ...]


class Alternative(msgspec.Struct, frozen=True):
    """A candidate and the probability that it is right."""

    category: Category
    probability: Probability


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What one signal said about the likeliest category, which is the first alternative.

    ``contribution`` is its share of the ranker's margin (the log-odds that the category is right, against none of
    the candidates being right). ``rank`` is the place that the signal gave the category, 1 being first, or null if
    it did not propose it. ``score`` is on the signal's own scale.
    """

    signal: str
    contribution: float
    rank: int | None = None
    score: float | None = None


class _Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What both kinds of decision have in common.

    ``alternatives`` are the likeliest categories, best first; ``evidence`` is about the first of them. ``title``,
    ``brand``, ``stores`` and ``tags`` are the product's own. ``review_id`` names a person's verdict: it is set if
    a person decided on the product earlier and the product still has the title that was judged. The decision is
    then the person's, while alternatives and evidence are the model's.
    """

    decision_id: str
    product_id: ProductId
    title: Title | None = None
    confidence: Probability
    alternatives: tuple[Alternative, ...]
    evidence: tuple[Evidence, ...]
    model_version: str
    taxonomy_version: str
    source: SourcePosition
    review_id: ShortText | None = None
    brand: str | None = None
    stores: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    product_updated_at: Timestamp | None = None


class CategoryAssigned(_Decided, frozen=True, kw_only=True):
    """A product has been assigned a category.

    ``backed_off`` says that ``category`` is only part of the way down: the category that is likeliest at its
    depth, including everything below it, as deep as the error budget allows. It is an ancestor of the first
    alternative, unless many less likely ones elsewhere in the tree outweigh that. ``confidence`` is the calibrated
    probability that the assignment is right, or 1 if a person decided. ``also`` are further categories within the
    error budget.
    """

    category: Category
    backed_off: bool
    also: tuple[Category, ...]


class NeedsReview(_Decided, frozen=True, kw_only=True):
    """A person must say where the product belongs, most likely in one of the alternatives.

    The reason ``new_store`` means that the model would be sure enough if it had not been fitted on so few labelled
    products of this product's stores. Once ten of them are labelled, the next model decides as for other stores.
    ``belongs_nowhere`` repeats a person's verdict that no category of the tree is right: nobody is asked again.
    """

    reason: ReviewReason


Decision = CategoryAssigned | NeedsReview


def outcome_of(decision: Decision) -> Outcome:
    """Return the outcome of a decision: assigned, backed off, or needs review."""
    if isinstance(decision, NeedsReview):
        return Outcome.NEEDS_REVIEW
    return Outcome.BACKED_OFF if decision.backed_off else Outcome.ASSIGNED
