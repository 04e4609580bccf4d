"""Small cards, packages and servers made on the spot. Nothing here leaves the machine."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from hivescan.models.cards import Card, read_card

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


CARD = """
name = "{name}"
title = "A toy"
task = "toys"
revision = 1
consumes = ["image"]
intended_use = "Tests."
weaknesses = ["It is not a model."]

[licence]
spdx = "CC0-1.0"
url = "https://example.org/licence"
notice = "Nobody's."
{must_accept}

[input]
layout = "NCHW"
channels = "RGB"
scale = 1.0
mean = [0.0, 0.0, 0.0]
std = [1.0, 1.0, 1.0]

[backend]
kind = "onnx"
file = "{first}"
outputs = ["out"]

[[views]]
name = "toy"
width = 8
height = 8
resize = "stretch"
resize_to = 8
resample = "bilinear"

[[heads]]
name = "toy"
group = "toys"
output = "out"
classes = [{{ label = "yes", polarity = "harmful" }}, {{ label = "no", polarity = "benign" }}]
"""


class CardMaker:
    """Writes card folders under ``folder``, one a model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        files: Mapping[str, tuple[bytes, str]],
        *,
        name: str = "toy",
        more: str = "",
        must_accept: bool = False,
    ) -> Card:
        """``files``: name → (the right bytes, the TOML of its source)."""
        text = CARD.format(
            name=name, first=next(iter(files)), must_accept="must_accept = true" if must_accept else ""
        )
        for file, (data, source) in files.items():
            text += f'\n[[files]]\nname = "{file}"\nsha256 = "{sha256(data)}"\nsize = {len(data)}\n'
            text += f"source = {source}\n"
        path = self.folder / name / "card.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + more)
        return read_card(path)


class FileServer:
    """A loopback web server. It answers ranges, and can cut, stall or redirect an answer."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.cut_after: dict[str, list[int]] = {}
        """Path → after how many bytes the next answers break off; used up one by one."""
        self.ranges = True
        self.stall = threading.Event()
        """While clear, a path that ends with ``#stall`` in ``stalled`` waits half-way."""
        self.stalled: set[str] = set()
        self.seen: list[tuple[str, dict[str, str]]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def asked(self, path: str) -> list[dict[str, str]]:
        """The headers of every request for a path."""
        return [headers for asked, headers in self.seen if asked == path]

    def close(self) -> None:
        self.stall.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                if self.path in server.redirects:
                    self.send_response(302)
                    self.send_header("Location", server.redirects[self.path])
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                data = server.files.get(self.path)
                if data is None:
                    self.send_error(404)
                    return
                start = self._start() if server.ranges else 0
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
                kind = "text/html" if self.path.endswith("/") else "application/octet-stream"
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data) - start))
                self.end_headers()
                self._body(data[start:])

            def _start(self) -> int:
                return int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))

            def _body(self, body: bytes) -> None:
                if self.path in server.stalled:
                    self.wfile.write(body[: len(body) // 2])
                    self.wfile.flush()
                    server.stall.wait(30)
                    body = body[len(body) // 2 :]
                cuts = server.cut_after.get(self.path)
                if cuts:
                    body = body[: cuts.pop(0)]
                    self.close_connection = True
                try:
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True  # the client was killed, as some tests do

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


def wheel(package: str, version: str, members: Mapping[str, bytes]) -> tuple[str, bytes]:
    """A wheel's file name and bytes."""
    info = f"{package.replace('-', '_')}-{version}.dist-info"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\nRequires-Python: >=99\n"
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/RECORD", "")
    return f"{package.replace('-', '_')}-{version}-py3-none-any.whl", out.getvalue()


def tar_gz(top: str, members: Mapping[str, bytes]) -> bytes:
    """A gzipped tar with all members in one folder, as npm and sdists have them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def publish(index: FileServer, package: str, file: str, archive: bytes) -> None:
    """Put a package's only archive on the loopback index."""
    index.files[f"/files/{file}"] = archive
    index.files[f"/simple/{package}/"] = f'<a href="/files/{file}">{file}</a>'.encode()
