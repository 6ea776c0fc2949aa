"""The model families that differ from BERT only in a few places, and Hugging Face's names for their weights.

RoBERTa (Liu et al., 2019) counts positions from two, because the first ones are for padding. XLM-RoBERTa (Conneau
et al., 2020) is the same network. MPNet (Song et al., 2020) also counts from two, has no token types, and adds a
learned number to each attention score that depends on the distance between two tokens (Raffel et al., "Exploring
the Limits of Transfer Learning", 2020, section 2.1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

# A table (distance buckets, attention heads), named as it would be among BERT's weights.
RELATIVE_ATTENTION: Final = "encoder.relative_attention_bias.weight"
# Tokens at this distance or further share a bucket.
_FARTHEST: Final = 128


@dataclass(frozen=True, slots=True)
class Family:
    """How a family of models differs from BERT.

    ``prefix`` is the prefix of weight names in a model saved with a task's head. ``first_position`` is the row of
    a text's first token in the table of positions. ``names`` maps parts of BERT's weight names to the family's.
    """

    prefix: str
    first_position: int = 0
    token_types: bool = True
    relative_attention: bool = False
    names: Mapping[str, str] = field(default_factory=dict)

    def name(self, bert_name: str) -> str:
        """Return the family's own name of a weight."""
        for theirs, own in self.names.items():
            bert_name = bert_name.replace(theirs, own)
        return bert_name


_MPNET: Final = Family(
    prefix="mpnet.",
    first_position=2,
    token_types=False,
    relative_attention=True,
    names={
        "attention.self.query": "attention.attn.q",
        "attention.self.key": "attention.attn.k",
        "attention.self.value": "attention.attn.v",
        "attention.output.dense": "attention.attn.o",
        "attention.output.LayerNorm": "attention.LayerNorm",
    },
)
_ROBERTA: Final = Family(prefix="roberta.", first_position=2)

# By the ``model_type`` in ``config.json``.
FAMILIES: Final[Mapping[str, Family]] = MappingProxyType(
    {"bert": Family(prefix="bert."), "roberta": _ROBERTA, "xlm-roberta": _ROBERTA, "mpnet": _MPNET}
)


def distance_buckets(distances: NDArray[np.int64], buckets: int) -> NDArray[np.int64]:
    """Return the row of the relative attention table for each distance.

    A distance is the position attended to minus the token's own. The second half of the ``buckets`` rows is for
    positions ahead. In each half, the first half of the rows is for single distances, and the rest for ranges that
    grow by a constant factor up to 128 (T5's rule, Raffel et al., 2020).
    """
    half = buckets // 2
    near = half // 2
    apart = np.abs(distances)
    factor = np.log(np.maximum(apart, 1) / near) / math.log(_FARTHEST / near)
    far = np.minimum(near + (factor * (half - near)).astype(np.int64), half - 1)
    return np.where(distances > 0, half, 0) + np.where(apart < near, apart, far)
