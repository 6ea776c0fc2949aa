"""The origin of figures: machine, versions, settings."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from schemas.taxonomy import Taxonomy
from tests.benchmarks.throughput.options import Options

_PACKAGES = (
    "confluent-kafka",
    "faiss-cpu",
    "faust-streaming",
    "msgspec",
    "numpy",
    "quixstreams",
    "rocksdict",
    "scikit-learn",
    "tokenizers",
    "xgboost-cpu",
)


def about(options: Options, bundle: Path, real: int) -> dict[str, Any]:
    """Return the document's metadata; ``real`` is the number of real products among the events."""
    taxonomy = Taxonomy.from_json_bytes((bundle / "taxonomy.json").read_bytes())
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": {name: found for name in _PACKAGES if (found := _version(name)) is not None},
        "settings": {
            name: str(value) if isinstance(value, Path) else value for name, value in asdict(options).items()
        },
        "tree_nodes": len(taxonomy),
        "real_products": real,
    }


def machine() -> dict[str, Any]:
    """Return what a benchmark says of the machine it runs on."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "platform": platform.platform(),
        "python": platform.python_version(),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"
