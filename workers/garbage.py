"""Python's garbage collector beside a model, which is never garbage and too large to be gone through each time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# By default it looks after each 700 new objects, and most of these live until their batch is done: it took 1.5 %
# of a worker's time, and with the model gone through 11 % of that of `shelfwise classify`.
_OBJECTS_BEFORE_COLLECTION: Final = 5_000


def collect_seldom() -> None:
    """Let garbage be collected after more new objects than by default, in all of this process."""
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION)


@contextmanager
def made_to_stay() -> Iterator[None]:
    """Exempt from collection, for good, what is there when the context ends, such as a model made within it.

    Nothing is collected meanwhile. What of it is let go of later ends by its count of references alone.
    """
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
