"""The tree of errors that a caller may catch.

::

    ShelfwiseError
    ├── InvalidEvent          an event that breaks its contract; carries the dead-letter reason
    ├── InvalidFile           a file given by a person cannot be used; names the file and the line
    │   ├── InvalidTaxonomy
    │   └── InvalidProducts
    ├── InvalidBundle         a model bundle is incomplete, altered or of another format
    │   └── RejectedBundle    the gate rejected it, and nobody forced it
    ├── GateRefused           the gate cannot judge: too few products, too many leaks, a gold set that changed
    ├── InvalidSettings       a setting is unknown or out of bounds
    └── KafkaUnavailable      no Kafka could be reached or started
"""

from __future__ import annotations

from schemas.events.dead_letter import Reason


class ShelfwiseError(Exception):
    """Base of all errors that Shelfwise raises on purpose; the message names the value and the remedy."""


class InvalidEvent(ShelfwiseError):
    """An event breaks its contract; ``reason`` can be used as the label of a metric."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class InvalidFile(ShelfwiseError):
    """A file given by a person cannot be used."""


class InvalidTaxonomy(InvalidFile):
    """A category tree cannot be read, or is not a tree."""


class InvalidProducts(InvalidFile):
    """A file of products cannot be read, or lacks what the job needs."""


class InvalidBundle(ShelfwiseError):
    """A model bundle is incomplete, altered, or of a format this version does not read."""


class RejectedBundle(InvalidBundle):
    """The gate rejected a model bundle, or never judged one that must be gated."""


class GateRefused(ShelfwiseError):
    """The gate cannot judge a model with this gold set."""


class InvalidSettings(ShelfwiseError):
    """A setting is unknown or out of bounds."""


class KafkaUnavailable(ShelfwiseError):
    """No Kafka could be reached or started."""
