"""Options of the process of a model."""

from typing import Final

WITH_STATISTICS: Final = "--statistics"
BESIDE_ANOTHER: Final = "--beside-another"
