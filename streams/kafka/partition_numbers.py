"""The error message for topics with wrong numbers of partitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

WAY_OUT: Final = (
    "The number of an installation cannot be changed: it says where a product lies, and Kafka never lowers it. For"
    " another number make another installation: set another SHELFWISE_TOPIC_PREFIX and the"
    " SHELFWISE_PARTITIONS that you want, and publish the catalogue there again"
)


def wrong_numbers(found: Mapping[str, int], wanted: int) -> str | None:
    """Return what is wrong with the partition numbers of an installation's topics, and what to do about it.

    Only if all topics agree can the setting be the wrong one.
    """
    numbers = Counter(found.values())
    if not numbers.keys() - {wanted}:
        return None
    (usual, agreeing), *others = numbers.most_common()
    if not others:
        which = f"topic {next(iter(found))} has" if agreeing == 1 else f"all {agreeing} topics have"
        return (
            f"{which} {usual} partitions, the settings say {wanted}: set SHELFWISE_PARTITIONS={usual}. {WAY_OUT}"
        )
    named = [f"topic {name} has {number} partitions" for name, number in sorted(found.items()) if number != usual]
    return f"{', '.join(named)}, and all others ({agreeing}) have {usual}: they must be equal. {WAY_OUT}"
