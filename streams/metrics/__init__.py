"""The worker's metrics: definitions (names, labels, help texts) are separate from their recording."""

from streams.metrics.definitions import DEFINITIONS, Definition
from streams.metrics.recording import Metrics, process_registry

__all__ = ["DEFINITIONS", "Definition", "Metrics", "process_registry"]
