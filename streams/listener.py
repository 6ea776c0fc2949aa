"""The HTTP listener of a worker: /metrics, /healthz and /readyz, in threads of its own."""

from __future__ import annotations

import logging
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final, Self

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from schemas.errors import InvalidSettings
from streams.health import Health, Report

_log = logging.getLogger(__name__)
_PATHS: Final = ("/metrics", "/healthz", "/readyz")


class Listener:
    """Serves metrics and health from construction to :meth:`close`.

    It listens on loopback by default: what it shows is not secret, but is nobody else's business either. ``port``
    0 takes a free one; :attr:`url` says which. Raises :class:`InvalidSettings` if the address cannot be used.
    """

    def __init__(
        self, health: Health, registry: CollectorRegistry, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        try:
            self._server = _Server((host, port), health, registry)
        except (OSError, OverflowError) as error:
            raise InvalidSettings(
                f"cannot listen for metrics on {host}:{port} ({error}); choose another address, or port 0 for any"
            ) from error
        # By default serve_forever checks twice a second whether to stop; closing should not take that long.
        self._thread = Thread(
            target=self._server.serve_forever, args=(0.05,), name="shelfwise-listener", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The address without a path, such as ``http://127.0.0.1:8000``."""
        host = str(self._server.server_address[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def close(self) -> None:
        """Stop listening, without waiting for requests in progress."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A probe that hangs must not keep the worker from ending.
    block_on_close = False

    def __init__(self, address: tuple[str, int], health: Health, registry: CollectorRegistry) -> None:
        self.health = health
        self.registry = registry
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # The base class looks up the host's name, which can hang for seconds without DNS. Without SO_REUSEADDR, a
        # worker that was killed cannot restart for a minute, because its last scrapes still hold the port.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the base class's
        """Log one line; the base class writes a traceback to stderr for every client that hangs up."""
        _log.info("a request from %s failed: %r", client_address, sys.exception())


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "shelfwise"
    sys_version = ""
    timeout = 5  # seconds within which a client must send its request

    def do_GET(self) -> None:
        """Answer a probe or a scrape."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._send(200, content_type, encode(self.server.registry))
        elif path == "/healthz":
            self._report(self.server.health.liveness())
        elif path == "/readyz":
            self._report(self.server.health.readiness())
        else:
            self._json(404, {"error": f"nothing is at this path; there are {', '.join(_PATHS)}"})

    do_HEAD = do_GET  # noqa: N815 - the base class's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing: a probe every second is not worth it."""

    def _report(self, report: Report) -> None:
        self._json(200 if report.ok else 503, report.detail)

    def _json(self, status: int, body: dict[str, object]) -> None:
        self._send(status, "application/json", orjson.dumps(body))

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
