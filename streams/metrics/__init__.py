"""What the worker measures: the definitions (names, labels, help) apart from the recording."""

from streams.metrics.definitions import DEFINITIONS, Definition
from streams.metrics.recording import Metrics, process_registry

__all__ = ["DEFINITIONS", "Definition", "Metrics", "process_registry"]
