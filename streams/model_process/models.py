"""The models of a worker: the one that decides, and those beside it while one takes the place of another."""

from __future__ import annotations

from typing import Generic, TypeVar

from streams.model_process.calls import ModelCalls

Model = TypeVar("Model", bound=ModelCalls)


class Models(Generic[Model]):
    """Recall works with the current one, and ranking with the one that found the candidates."""

    def __init__(self, current: Model) -> None:
        self._current = current
        self._loaded = {current.version: current}

    @property
    def current(self) -> Model:
        """The one that recall works with; it may be another one after the next ``await``."""
        return self._current

    @property
    def failure(self) -> BaseException | None:
        """What ended the current one: while another takes its place, either can be done without."""
        return self._current.failure

    def of(self, version: str) -> Model | None:
        """Return the model of this version, if there is one."""
        return self._loaded.get(version)

    def all(self) -> list[Model]:
        """Return every one that there is."""
        return list(self._loaded.values())

    def add(self, model: Model) -> None:
        """Let ranking decide with it too."""
        self._loaded[model.version] = model

    def turn_to(self, model: Model) -> None:
        """Let recall work with it."""
        self.add(model)
        self._current = model

    def forget_others(self) -> list[Model]:
        """Keep the current one alone; returns those that are no longer needed."""
        others = [model for model in self.all() if model is not self._current]
        self._loaded = {self._current.version: self._current}
        return others
