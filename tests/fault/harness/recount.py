"""Recount the statistics from the topics; written independently of :mod:`workers.learning`."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import orjson

from schemas.topics import CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW, REVIEWS_DECIDED
from streams.state.completeness import is_ours
from streams.tables import STATISTICS, changelog_name
from tests.worker_harness import Installation

Weights = dict[tuple[str, str], dict[str, float]]
"""Maps (kind, key) to weights by category."""


def stored_weights(installation: Installation) -> Weights:
    """Return the content of the tables, read from their changelogs."""
    settings = installation.settings()
    found: Weights = {}
    for kind, table in STATISTICS.items():
        for key, value in installation.latest(changelog_name(settings, table)).items():
            if is_ours(key):
                continue
            if weights := orjson.loads(value)["weights"]:
                found[kind, key.decode()] = weights
    return found


def recounted_weights(installation: Installation, minimum_confidence: float) -> Weights:
    """Return the weights given by the last message on every product on the three topics."""
    assigned, review, verdicts = (
        _last(installation, topic.name)
        for topic in (CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW, REVIEWS_DECIDED)
    )
    found: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for product in assigned.keys() | review.keys() | verdicts.keys():
        said = [topic[product] for topic in (assigned, review) if product in topic]
        alive = [decision for decision in said if decision is not None]
        if said and not alive:
            continue
        decision = max(alive, key=lambda item: item["source"]["offset"], default=None)
        verdict = verdicts.get(product)
        if verdict is not None:
            category, weight = verdict["category_id"], 3.0
            named = verdict.get("brand") is not None or verdict.get("stores")
            about = verdict if named or decision is None else decision
        elif decision is not None and _sure(decision, minimum_confidence):
            category, weight, about = decision["category"]["id"], 1.0, decision
        else:
            continue
        if category is not None:
            # Only a verdict's own tags count; decisions do not count for tags.
            for key in _keys(about) | _tags(verdict or {}):
                found[key][category] += weight
    return {key: dict(weights) for key, weights in found.items()}


def _sure(decision: dict[str, Any], minimum_confidence: float) -> bool:
    assigned = "category" in decision and not decision["backed_off"] and decision.get("review_id") is None
    return bool(assigned and decision["confidence"] >= minimum_confidence)


def _keys(about: dict[str, Any]) -> set[tuple[str, str]]:
    named = [("brand", about.get("brand") or ""), *(("store", store) for store in about.get("stores") or ())]
    return {(kind, " ".join(text.casefold().split())) for kind, text in named if text.strip()}


def _tags(verdict: dict[str, Any]) -> set[tuple[str, str]]:
    return {("tag", " ".join(tag.casefold().split())) for tag in verdict.get("tags") or ()}


def _last(installation: Installation, topic: str) -> dict[bytes, dict[str, Any] | None]:
    messages = installation.read(installation.prefix + topic)
    ordered = sorted(messages, key=lambda message: (message.partition(), message.offset()))
    return {
        message.key(): None if message.value() is None else orjson.loads(message.value()) for message in ordered
    }


def difference(stored: Weights, counted: Weights) -> list[str]:
    """Return the keys whose weights differ, and how."""
    return [
        f"{key}: the table holds {stored.get(key, {})}, a recount gives {counted.get(key, {})}"
        for key in sorted(stored.keys() | counted.keys())
        if stored.get(key, {}) != counted.get(key, {})
    ]
