"""A web server of a folder's files that fails on demand."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Folder:
    """Server of the files in ``path``; fails on the requests whose numbers are in ``failing``."""

    def __init__(self, path: Path) -> None:
        self.asked: list[str] = []
        self.served: list[str] = []
        self.failing: set[int] = set()
        handler = partial(Handler, directory=str(path))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.server.folder = self
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{name}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Handler(SimpleHTTPRequestHandler):
    def send_head(self):
        folder = self.server.folder
        folder.asked.append(self.path)
        if len(folder.asked) in folder.failing:
            self.send_error(503)
            return None
        folder.served.append(self.path)
        return super().send_head()

    def log_message(self, *_about) -> None:
        pass
