"""Apache Kafka's jars: fetched once by Maven with the ``pom.xml`` beside this file, then cached."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from schemas.errors import KafkaUnavailable

POM: Final = Path(__file__).with_name("pom.xml")
# The same version as in the pom; the container image uses it too.
VERSION: Final = "4.3.1"
MINIMUM_JAVA: Final = 17
_JAVA_SECONDS: Final = 60
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_RESOLVE_SECONDS: Final = 600


def java_problem() -> str | None:
    """Return why this machine's Java cannot run Kafka, or ``None`` if it can."""
    if shutil.which("java") is None:
        return "no `java` on the PATH"
    command = ["java", "-version"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_JAVA_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"`java -version` failed: {error}"
    # Java 8 reports its version as 1.8.
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    if found is None:
        return f"`java -version` says {answer.stderr.strip()[:80]!r}"
    if int(found[1]) < MINIMUM_JAVA:
        return f"Java {found[1]} is too old: {MINIMUM_JAVA} or newer is needed"
    return None


def cached_jars() -> Path:
    """Return the directory for the jars, whether it exists or not; each content of the pom has its own."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "shelfwise" / f"kafka-{VERSION}-{hashlib.sha256(POM.read_bytes()).hexdigest()[:8]}"


def resolve_jars() -> Path:
    """Return a directory with Kafka's jars, and fetch them first if they are not cached.

    Raises :class:`KafkaUnavailable` if Maven is missing or fails.
    """
    jars = cached_jars()
    if jars.is_dir():
        return jars
    if shutil.which("mvn") is None:
        raise KafkaUnavailable("no `mvn` on the PATH to fetch Apache Kafka with")
    print(f"fetching Apache Kafka {VERSION} once, about 45 MB ...", file=sys.stderr, flush=True)  # noqa: T201
    try:
        jars.parent.mkdir(parents=True, exist_ok=True)
        # Use a temporary name until all files are there, so that an interrupted download is never used.
        made = Path(tempfile.mkdtemp(prefix=".kafka-", dir=jars.parent))
    except OSError as error:
        raise KafkaUnavailable(f"the cache cannot be written (set XDG_CACHE_HOME): {error}") from None
    try:
        _copy_dependencies(made)
        try:
            made.rename(jars)
        except OSError:
            if not jars.is_dir():  # otherwise another process was faster
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return jars


def _copy_dependencies(directory: Path) -> None:
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={directory}"]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_RESOLVE_SECONDS)
    except subprocess.TimeoutExpired:
        raise KafkaUnavailable(f"Maven did not fetch Apache Kafka within {_RESOLVE_SECONDS} s") from None
    except subprocess.CalledProcessError as error:
        raise KafkaUnavailable(f"Maven could not fetch Apache Kafka: {_reason(error.stdout)}") from None


def _reason(output: str) -> str:
    """Return Maven's first error; what follows it is advice on how to run Maven."""
    lines = _COLOUR.sub("", output).strip().splitlines()
    errors = [line.removeprefix("[ERROR] ") for line in lines if line.startswith("[ERROR]")]
    return (errors or lines or ["it says nothing"])[0][:400]
