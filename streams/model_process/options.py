"""Command-line options of the model process."""

from typing import Final

WITH_STATISTICS: Final = "--statistics"
WITH_VERDICTS: Final = "--verdicts"
BESIDE_ANOTHER: Final = "--beside-another"
