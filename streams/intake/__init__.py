"""Intake: feeds' events are checked, packed, and followed until each has an outcome."""
