"""An S3 server on this machine (moto's), which can be busy, break off, and refuse keys."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

import requests
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

KEY, SECRET = "AKIAKNOWN0KEY0000000", "wJalrXUtnFEMI-known-secret-known-secret"
SIGNED = f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-east-1/s3/aws4_request"
BUCKET, PUBLIC = "bucket", "public"
App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Fault = Callable[[App, dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Silent(WSGIRequestHandler):
    def log(self, *_about: Any) -> None:
        pass


class S3Server:
    """Buckets on loopback; a fault answers the next request that fits it, then is gone."""

    def __init__(self) -> None:
        self.app = DomainDispatcherApplication(create_backend_app)
        # One change at a time, as a store does that promises conditional writes.
        self.changes = threading.Lock()
        self.faults: list[tuple[str, Fault]] = []
        self.asked: list[str] = []
        self.conditions = True
        self.server = make_server("127.0.0.1", 0, self, threaded=True, request_handler=Silent)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        self.options = {"key": KEY, "secret": SECRET, "endpoint_url": self.endpoint}
        for bucket in (BUCKET, PUBLIC):
            requests.put(f"{self.endpoint}/{bucket}", headers={"Authorization": SIGNED}, timeout=30)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if not self.conditions:
            for name in ("HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH"):
                environ.pop(name, None)
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        self.asked.append(request)
        if not self.may(environ):
            return error("403 Forbidden", "InvalidAccessKeyId", start)
        for fault in self.faults:
            if fault[0] in request:
                with contextlib.suppress(ValueError):
                    self.faults.remove(fault)
                    return fault[1](self.answer, environ, start)
        return self.answer(environ, start)

    def answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        with self.changes:
            return list(self.app(environ, start))

    def may(self, environ: dict[str, Any]) -> bool:
        by = environ.get("HTTP_AUTHORIZATION", "")
        reads = environ["REQUEST_METHOD"] in ("GET", "HEAD")
        public = reads and environ["PATH_INFO"].startswith(f"/{PUBLIC}")
        if public and not by:
            environ["HTTP_AUTHORIZATION"] = SIGNED  # moto's objects are private
        return f"Credential={KEY}/" in by or (not by and public)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def error(status: str, code: str, start: Callable[..., Any]) -> Iterable[bytes]:
    body = f"<Error><Code>{code}</Code><AWSAccessKeyId>{KEY}</AWSAccessKeyId></Error>".encode()
    start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]


def slow_down(app: App, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    return error("503 Slow Down", "SlowDown", start)


def drop(app: App, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Break off before anything is done."""
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError


def lose_answer(app: App, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Do what is asked, and break off before the answer."""
    app(environ, lambda *_: None)
    return drop(app, environ, start)
