"""Intake: feeds' events are checked, packed, and followed until each has an outcome."""

from streams.intake.loop import Intake

__all__ = ["Intake"]
