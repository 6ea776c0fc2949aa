"""Intake: checks and packs the events of feeds, and follows each until it has an outcome."""

from streams.intake.loop import Intake

__all__ = ["Intake"]
