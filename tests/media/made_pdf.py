"""Small PDF files after ISO 32000: pages of lines in Helvetica, with a picture or without."""

from __future__ import annotations

from collections.abc import Sequence


def pdf_of(pages: Sequence[str], *, picture: bool = False) -> bytes:
    """A document whose pages show these lines; with ``picture`` a grey square on the last page."""
    fonts, image = 3, 4
    kids = " ".join(f"{5 + 2 * i} 0 R" for i in range(len(pages)))
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        _stream(
            b"/Type /XObject /Subtype /Image /Width 1 /Height 1 /BitsPerComponent 8 /ColorSpace /DeviceGray",
            b"\x80",
        ),
    ]
    for i, page in enumerate(pages):
        shown = "".join(f"({_escaped(line)}) Tj T*\n" for line in page.split("\n"))
        drawn = f"BT /F1 12 Tf 14 TL 72 720 Td\n{shown}ET\n".encode("cp1252")
        if picture and i == len(pages) - 1:
            drawn += b"q 50 0 0 50 300 300 cm /I1 Do Q\n"
        bodies.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {6 + 2 * i} 0 R /Resources "
            f"<< /Font << /F1 {fonts} 0 R >> /XObject << /I1 {image} 0 R >> >> >>".encode()
        )
        bodies.append(_stream(b"", drawn))
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(bodies, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(bodies) + 1
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + trailer


def _escaped(line: str) -> str:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _stream(entries: bytes, data: bytes) -> bytes:
    return b"<< %s /Length %d >>\nstream\n%s\nendstream" % (entries, len(data), data)
