"""The categories that a verdict may name: those of the bundle in the directory that workers load from."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from schemas.bundle import MANIFEST
from schemas.errors import ShelfwiseError
from schemas.taxonomy.tree import Taxonomy
from streams.settings import Settings
from workers.bundle.files import read_manifest
from workers.bundle.release import EVALUATION, Admission, admit
from workers.bundle.taxonomy_file import load_taxonomy

_Mark = tuple[int, int] | None
_log = logging.getLogger(__name__)


class Categories:
    """Knows the tree's category ids without a model, which would take some hundred MB.

    A bundle that replaces the current one is checked at the next verdict; one that cannot be read, or that the
    gate rejects, changes nothing. The previous tree stays valid beside the new one: the deciding stages switch to
    the new bundle later, or not at all, and people judge what those stages decided.
    """

    def __init__(self, settings: Settings) -> None:
        """Read the tree; raises :class:`schemas.errors.InvalidBundle`. The deciding stages check the gate."""
        self._bundle = settings.bundle
        self._fixed = settings.bundle_poll_seconds == 0
        self._later: Final = Admission(require_gate=settings.require_gate)
        self._seen = self._told = self._mark()
        self._trees = [_load(self._bundle, EVALUATION)]

    def has(self, category_id: str) -> bool:
        """Return whether the current tree or the previous one has a category with this id."""
        mark = self._mark()
        if mark != self._seen and not self._fixed:
            try:
                tree = _load(self._bundle, self._later)
                self._seen = mark
                if tree.ids != self._trees[0].ids:  # not if only the gate's verdict or the model is new
                    self._trees = [tree, self._trees[0]]
            except (ShelfwiseError, OSError) as error:
                if mark != self._told:
                    self._told = mark
                    _log.error("%s; verdicts are still checked against the previous tree", error)
        return any(tree.find_id(category_id) is not None for tree in self._trees)

    def _mark(self) -> _Mark:
        """Return a value that changes with the bundle, or ``None`` if there is none."""
        try:
            found = (self._bundle / MANIFEST).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns


def _load(bundle: Path, admission: Admission) -> Taxonomy:
    directory = bundle.resolve()
    admit(directory, read_manifest(directory), admission)
    return load_taxonomy(directory)
