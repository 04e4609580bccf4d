"""A web server for tests, on loopback, that misbehaves on demand."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODIFIED = "Sun, 01 Mar 2026 12:00:00 GMT"


@dataclass
class Page:
    """What is answered under one path. ``failures`` are the first answers' status codes.

    With ``length`` off the size is not announced. The body ends after ``cut_after`` bytes, though its
    length was announced, the first ``cuts`` times. It comes in pieces of ``piece`` bytes, ``pause_s`` apart.
    """

    body: bytes
    etag: str | None = None
    failures: list[int] = field(default_factory=list)
    length: bool = True
    cut_after: int | None = None
    cuts: int = 1_000_000
    piece: int = 1 << 20
    pause_s: float = 0.0


class WebServer(ThreadingHTTPServer):
    """``pages`` by path; ``gets`` counts the requests for each."""

    daemon_threads = True

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.gets: Counter[str] = Counter()
        super().__init__(("127.0.0.1", 0), _Handler)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: WebServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        page = self._page()
        if page is not None:
            self._head(page, 200)

    def do_GET(self) -> None:
        page = self._page()
        if page is None:
            return
        self.server.gets[self.path] += 1
        if page.failures:
            self._empty(page.failures.pop(0))
            return
        self._head(page, 200)
        body = page.body
        if page.cut_after is not None and page.cuts:
            page.cuts -= 1
            body = body[: page.cut_after]
        for start in range(0, len(body), page.piece):
            try:
                self.wfile.write(body[start : start + page.piece])
                self.wfile.flush()
            except OSError:
                break
            time.sleep(page.pause_s)
        self.close_connection = True

    def _page(self) -> Page | None:
        page = self.server.pages.get(self.path)
        if page is None:
            self._empty(404)
        return page

    def _head(self, page: Page, status: int) -> None:
        self.send_response(status)
        if page.length:
            self.send_header("Content-Length", str(len(page.body)))
        else:
            self.send_header("Connection", "close")
        if page.etag:
            self.send_header("ETag", page.etag)
        self.send_header("Last-Modified", MODIFIED)
        self.end_headers()

    def _empty(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def web_server() -> Iterator[WebServer]:
    server = WebServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
