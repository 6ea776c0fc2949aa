"""What is fuzzed: a name, valid inputs to begin with, and a call that must return or refuse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from schemas.errors import ShelfwiseError
from tests.fuzz.mutation import mutate_bytes, mutate_json


@dataclass(frozen=True)
class Target:
    """``run`` takes an input and returns, or raises one of ``refusals``: anything else is a finding.

    ``weight`` is its share of a run's inputs; ``json_share`` of them are mutated as JSON, the others as bytes.
    """

    name: str
    corpus: Sequence[bytes]
    run: Callable[[bytes, Random], object]
    weight: float = 1.0
    json_share: float = 0.0
    refusals: tuple[type[BaseException], ...] = (ShelfwiseError,)

    def make_input(self, chance: Random) -> bytes:
        """Return an input; the same state of ``chance`` gives the same."""
        if chance.random() < self.json_share:
            return mutate_json(chance, self.corpus)
        return mutate_bytes(chance, self.corpus)

    def try_input(self, seed: int, number: int) -> Literal["accepted", "refused"]:
        """Run one input, which seed and number make; lets a finding pass through."""
        chance = Random(f"{seed}/{self.name}/{number}")
        data = self.make_input(chance)
        try:
            self.run(data, chance)
        except self.refusals:
            return "refused"
        return "accepted"
