"""Options of the process of a model."""

from typing import Final

WITH_STATISTICS: Final = "--statistics"
WITH_VERDICTS: Final = "--verdicts"
BESIDE_ANOTHER: Final = "--beside-another"
