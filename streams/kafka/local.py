"""Run a real Apache Kafka on this machine: one KRaft node, from its own jars with the machine's Java."""

from __future__ import annotations

import atexit
import base64
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from schemas.errors import KafkaUnavailable
from streams.child_process import spawn
from streams.kafka.connection import MAX_MESSAGE_BYTES
from streams.kafka.jars import java_problem, resolve_jars
from streams.kafka.ready import free_port, is_free, wait_until_ready

START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 20.0
_LOG_LINES_SHOWN: Final = 20
_LOGGING: Final = Path(__file__).with_name("log4j2.properties")

_PROPERTIES: Final = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
message.max.bytes={max_message_bytes}
replica.fetch.max.bytes={max_message_bytes}
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=16777216
"""


class LocalKafka:
    """Start with ``start`` or ``with``; ``stop``, ``kill``, ``pause`` and ``resume`` are for fault tests.

    Port and data are kept when it is started again after ``stop`` or ``kill``. By default data is in a temporary
    directory, which is removed when the context ends; if the broker died, its log is kept there.
    """

    def __init__(self, directory: Path | None = None, *, port: int | None = None, optimised: bool = False) -> None:
        """``directory`` keeps data and log between runs; the broker listens on the loopback interface only.

        An ``optimised`` broker compiles its code as one in production does: it takes more CPU time in its first
        minute, and a third less after it.
        """
        self._temporary = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="shelfwise-kafka-"))
        self.port = port or free_port()
        self._optimised = optimised
        self._controller_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """The broker's host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def process_id(self) -> int | None:
        """The broker's process id, or ``None`` if it is not started."""
        return self._process.pid if self._process is not None else None

    @property
    def log_file(self) -> Path:
        """The path of the broker's log."""
        return self.directory / "kafka.log"

    def start(self) -> None:
        """Start the broker and wait until it answers; raises :class:`KafkaUnavailable` with the end of the log.

        Raises :class:`RuntimeError` if it is already running.
        """
        if self.alive:
            raise RuntimeError(f"the local Kafka at {self.bootstrap_servers} runs already")
        if problem := java_problem():
            raise KafkaUnavailable(problem)
        try:
            free = is_free(self.port)
        except OSError as error:
            raise KafkaUnavailable(f"port {self.port} cannot be used: {error.strerror}; choose another") from None
        if not free:
            raise KafkaUnavailable(f"port {self.port} is taken by another program; choose another")
        jars = resolve_jars()
        self.directory.mkdir(parents=True, exist_ok=True)
        properties = self.directory / "server.properties"
        properties.write_text(
            _PROPERTIES.format(
                port=self.port,
                controller_port=self._controller_port,
                data=self.directory / "data",
                max_message_bytes=MAX_MESSAGE_BYTES,
            )
        )
        if not (self.directory / "data" / "meta.properties").exists():
            self._run_tool(jars, "kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", str(properties))
        command = self._java(jars, "kafka.Kafka", str(properties), optimised=self._optimised)
        self._process = spawn(command, self.directory / "console.log")
        atexit.register(self.kill)
        if not wait_until_ready(self.bootstrap_servers, START_SECONDS, lambda: self.alive):
            self.kill()
            raise KafkaUnavailable(f"the local Kafka did not start; {self.log_file} ends:\n{self._log_end()}")

    def stop(self) -> None:
        """Stop it cleanly; kill it if that takes more than 20 seconds."""
        if self._process is None:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget()

    def kill(self) -> None:
        """Kill it (SIGKILL), like a crash."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._forget()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open, but nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue after :meth:`pause`."""
        self._signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            if self._temporary and not self.log_file.exists():  # there is no log to read
                shutil.rmtree(self.directory, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        died = self._process is not None and not self.alive
        self.stop()
        if died:
            print(f"the local Kafka died; {self.log_file} ends:\n{self._log_end()}", file=sys.stderr)  # noqa: T201
        if self._temporary:
            shutil.rmtree(self.directory / "data" if died else self.directory, ignore_errors=True)

    def _forget(self) -> None:
        self._process = None
        atexit.unregister(self.kill)

    @property
    def alive(self) -> bool:
        """Whether the broker's process is running."""
        return self._process is not None and self._process.poll() is None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _java(self, jars: Path, main: str, *arguments: str, optimised: bool = False) -> list[str]:
        options = ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC"]
        # For tests and demos: only the C1 compiler, with which it starts twice as fast.
        options += [] if optimised else ["-XX:TieredStopAtLevel=1"]
        options += [f"-Dlog4j2.configurationFile={_LOGGING}"]
        options += [f"-Dshelfwise.kafka.log={self.log_file}"]
        return ["java", *options, "-cp", f"{jars}/*", main, *arguments]

    def _run_tool(self, jars: Path, main: str, *arguments: str) -> None:
        answer = subprocess.run(
            self._java(jars, main, *arguments), capture_output=True, text=True, timeout=START_SECONDS, check=False
        )
        if answer.returncode != 0:
            raise KafkaUnavailable(f"{main} failed: {(answer.stdout + answer.stderr).strip()[-800:]}")

    def _log_end(self) -> str:
        """Return the last warnings and errors, without stack traces and INFO lines, which would hide the cause."""
        lines: list[str] = []
        for file in (self.directory / "console.log", self.log_file):
            if file.exists():
                text = file.read_text(errors="replace").splitlines()
                said = [line for line in text if line.strip() and not line.startswith("\t")]
                lines += ([line for line in said if " INFO " not in line] or said)[-_LOG_LINES_SHOWN:]
        return "\n".join(lines)


def _cluster_id() -> str:
    """Return 16 random bytes as URL-safe base64 without padding, the format of a Kafka UUID."""
    # The first byte is fixed, because an id that begins with "-" would be read as an option.
    return base64.urlsafe_b64encode(b"S" + os.urandom(15)).decode().rstrip("=")
