"""A web server in this process that does what it is told: cut, lie, stall, redirect."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Act = Callable[["Handler"], None]


class Site:
    """Files by path, one for all other paths; an act answers each request, then ``last`` does."""

    def __init__(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.site = self
        self.reset(b"")
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def reset(self, content: bytes, *acts: Act, last: Act | None = None) -> None:
        self.content, self.acts, self.last = content, list(acts), last or whole
        self.headers: dict[str, str] = {"ETag": '"one"'}
        self.files: dict[str, bytes] = {}
        self.asked: list[dict[str, str]] = []
        self.released = threading.Event()

    def url(self, name: str = "file.bin") -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{name}"

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        site = self.server.site
        site.asked.append({"path": self.path, **self.headers})
        act = site.acts.pop(0) if site.acts else site.last
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            act(self)
        self.close_connection = True

    @property
    def site(self) -> Site:
        return self.server.site

    @property
    def content(self) -> bytes:
        return self.site.files.get(self.path.lstrip("/"), self.site.content)

    def log_message(self, *_about) -> None:
        pass

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def wanted(self) -> int:
        """Return the first byte requested, if the client has the same version."""
        site, asked = self.site, self.headers.get("Range")
        if asked and self.headers.get("If-Range") in (None, site.headers.get("ETag")):
            return int(asked.removeprefix("bytes=").rstrip("-"))
        return 0


def cut(at: int | None = None, wait: bool = False, **more: str) -> Act:
    """All, or no more than the first ``at`` bytes of the file; then the connection ends."""

    def act(handler: Handler) -> None:
        site, start = handler.site, handler.wanted()
        size = len(handler.content)
        if start >= size and "Range" in handler.headers and start:
            return handler.head(416, {"Content-Range": f"bytes */{size}"})
        headers = {**site.headers, "Content-Length": str(size - start), **more}
        if start:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        handler.head(206 if start else 200, headers)
        handler.wfile.write(handler.content[start : size if at is None else max(at, start)])
        handler.wfile.flush()
        if wait:
            site.released.wait(60)
        return None

    return act


whole = cut()


def no_range(handler: Handler) -> None:
    """Send the whole file, ignoring ranges."""
    site = handler.site
    handler.head(200, {**site.headers, "Content-Length": str(len(handler.content))})
    handler.wfile.write(handler.content)


def status(code: int, **headers: str) -> Act:
    return lambda handler: handler.head(code, {"Content-Length": "0", **headers})


def redirect(to: str) -> Act:
    return status(302, Location=to)


def silent(handler: Handler) -> None:
    """Not one byte, until the test is over."""
    handler.site.released.wait(60)


def trickle(handler: Handler) -> None:
    """Send single bytes slowly, without end."""
    handler.head(200, {"Content-Length": "100000"})
    while not handler.site.released.wait(0.02):
        handler.wfile.write(b"x")
