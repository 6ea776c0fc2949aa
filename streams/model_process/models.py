"""The models of a worker: the current one, and others while one model replaces another."""

from __future__ import annotations

from typing import Generic, TypeVar

from streams.model_process.calls import ModelCalls

Model = TypeVar("Model", bound=ModelCalls)


class Models(Generic[Model]):
    """The loaded models: recall uses the current one, and ranking the one that found the candidates."""

    def __init__(self, current: Model) -> None:
        self._current = current
        self._loaded = {current.version: current}

    @property
    def current(self) -> Model:
        """The model that recall uses; it may be another one after the next ``await``."""
        return self._current

    @property
    def failure(self) -> BaseException | None:
        """What ended the current model; the others can be done without while one replaces another."""
        return self._current.failure

    def of(self, version: str) -> Model | None:
        """Return the model of this version, or ``None``."""
        return self._loaded.get(version)

    def all(self) -> list[Model]:
        """Return all loaded models."""
        return list(self._loaded.values())

    def add(self, model: Model) -> None:
        """Let ranking use this model too."""
        self._loaded[model.version] = model

    def switch_to(self, model: Model) -> None:
        """Let recall use this model."""
        self.add(model)
        self._current = model

    def forget_others(self) -> list[Model]:
        """Keep only the current model; return those that are no longer needed."""
        others = [model for model in self.all() if model is not self._current]
        self._loaded = {self._current.version: self._current}
        return others
