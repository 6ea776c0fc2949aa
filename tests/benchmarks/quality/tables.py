from pathlib import Path


def write_tables(out: Path, docs: Path) -> None: ...
