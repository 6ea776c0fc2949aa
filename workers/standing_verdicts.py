"""Standing verdicts: a person's verdict on a product also holds for later edits, as long as the title stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec

from schemas.events.batch import Outcome
from schemas.events.review import ReviewDecided
from schemas.taxonomy.tree import Taxonomy
from workers.ranking.ranking import Prediction
from workers.text.tokens import identity

PERSON_CONFIDENCE: Final = 1.0


class StandingVerdict(msgspec.Struct, frozen=True, gc=False):
    """A verdict; ``node`` is ``None`` if the product belongs nowhere in the tree.

    ``title`` is a hash of the title that was judged, ``None`` if the verdict holds for no edit; the hash differs
    between processes. The verdict was first published at ``first_offset``.
    """

    first_offset: int
    title: int | None
    node: int | None
    review_id: str


class StandingVerdicts:
    """The last verdict on each product. One thread may add verdicts while another reads them."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy
        self._latest: dict[str, StandingVerdict] = {}

    def add(self, product_id: str, first_offset: int, verdict: ReviewDecided | None) -> None:
        """Add a verdict, first published at ``first_offset``; ``None`` takes back the earlier one on the product.

        A verdict that is older than the known one is ignored. One that cannot stand ends the one before, which
        compaction removes from the topic.
        """
        known = self._latest.get(product_id)
        if known is None or first_offset >= known.first_offset:
            standing = None if verdict is None else self._standing(first_offset, verdict)
            self._latest[product_id] = standing or StandingVerdict(first_offset, None, None, "")

    def _standing(self, first_offset: int, verdict: ReviewDecided) -> StandingVerdict | None:
        title = standing_title(verdict, self._taxonomy)
        if title is None:
            return None
        node = None if verdict.category_id is None else self._taxonomy.find_id(verdict.category_id)
        return StandingVerdict(first_offset, hash(title), node, verdict.review_id)

    def of(self, product_id: str, title: str | None) -> StandingVerdict | None:
        """Return the verdict that holds for the product if it has this title, or ``None``."""
        known = self._latest.get(product_id)
        if known is None or known.title is None or title is None or known.title != hash(identity(title)):
            return None
        return known


def standing_title(verdict: ReviewDecided, taxonomy: Taxonomy) -> str | None:
    """Return the :func:`identity` of the titles for which a verdict stands, ``None`` if it stands for none.

    It needs a title, and a category that the tree lists; "nowhere" was said of the tree of that time.
    """
    if verdict.category_id is None:
        stands = verdict.taxonomy_version in (None, taxonomy.version)
    else:
        node = taxonomy.find_id(verdict.category_id)
        stands = node is not None and bool(taxonomy.is_listed[node])
    return identity(verdict.title) if stands and verdict.title is not None else None


def overrule(prediction: Prediction, verdict: StandingVerdict) -> Prediction:
    """Return the person's decision in place of the model's; alternatives and evidence remain the model's."""
    if verdict.node is None:
        outcome, confidence = Outcome.NEEDS_REVIEW, prediction.likeliest_confidence
    else:
        outcome, confidence = Outcome.ASSIGNED, PERSON_CONFIDENCE
    return replace(
        prediction,
        outcome=outcome,
        category=verdict.node,
        confidence=confidence,
        also=(),
        held_back_for_new_store=False,
        review_id=verdict.review_id,
    )
