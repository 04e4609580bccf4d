"""How much of what pictures say is read, by kind of picture and by language, and how fast: docs/ocr.md.

    python scripts/bench/ocr.py ../shared/data/ocr                      # F-scores of words
    python scripts/bench/ocr.py ../shared/data/ocr --sides 960 1280     # and by size of the view
    python scripts/bench/ocr.py ../shared/data/ocr --beside             # and rapidocr alone, where installed

The folder has ``receipts`` (lines with their places in CSV) and ``pages`` (text beside some). Everything else
is drawn here: sentences in many languages, black on white and laid over noise, with the fonts of Debian's
packages fonts-dejavu-core, fonts-wqy-zenhei and fonts-nanum; what has no font is left out. Words count once
each time that they stand, without case and without signs at their ends, in any order; of Chinese and Japanese
each character is a word.
"""

from __future__ import annotations

import argparse
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from hivescan.analyzers.ocr.pages import PageReader
from hivescan.analyzers.written import page_of
from hivescan.media.views import make_views
from hivescan.models.backends.base import Placement, Tensor
from hivescan.models.cards import find_card
from hivescan.models.schema import LocalSource
from hivescan.models.text_reader import Reading, TextReader, open_text_reader
from hivescan.types import Pixels, View

FONTS = Path("/usr/share/fonts/truetype")
LATIN, CHINESE, KOREAN = "dejavu/DejaVuSans.ttf", "wqy/wqy-zenhei.ttc", "nanum/NanumGothic.ttf"
SENTENCES = {
    "English": (
        LATIN,
        "The old lighthouse keeper walks along the quiet harbour every morning. "
        "Fresh bread costs 2.40 today.",
    ),
    "Spanish": (
        LATIN,
        "El niño compró una piñata en la señorial plaza del pueblo. ¿Cuándo abre el museo mañana?",
    ),
    "Portuguese": (
        LATIN,
        "A estação fica atrás do jardim e o coração da cidade é pequeno. Não há comboios à noite.",
    ),
    "French": (
        LATIN,
        "La forêt commence derrière la fenêtre de la cuisine. Où êtes-vous allés cet été, à la plage ?",
    ),
    "German": (
        LATIN,
        "Die größte Brücke führt über den Fluss zum schönen Marktplatz. Am Sonntag öffnet die Bäckerei früh.",
    ),
    "Chinese": (CHINESE, "今天早上我在河边的市场买了新鲜的面包和水果。博物馆星期日上午九点开门。"),
    "Japanese": (CHINESE, "今日は天気がいいので公園で昼ごはんを食べました。駅までバスで十分です。"),
    "Korean": (
        KOREAN,
        "오늘 아침 시장에서 신선한 빵과 과일을 샀습니다. 박물관은 일요일 아홉 시에 문을 엽니다.",
    ),
    "Russian": (
        LATIN,
        "Сегодня утром мы купили свежий хлеб на рынке у реки. Музей открыт каждое воскресенье.",
    ),
    "Greek": (
        LATIN,
        "Σήμερα το πρωί αγοράσαμε φρέσκο ψωμί από την αγορά. Το μουσείο ανοίγει την Κυριακή.",
    ),
}
PAGES = {"phototest.tif": "phototest.gold.txt", "eurotext.tif": "eurotext.txt"}
Reader = Callable[[Pixels], str]


def words_of(text: str) -> Counter[str]:
    counted: Counter[str] = Counter()
    for word in unicodedata.normalize("NFKC", text).casefold().split():
        kept = word.strip("".join(c for c in word if not c.isalnum()))
        if any("\u3040" <= c <= "\u30ff" or "\u4e00" <= c <= "\u9fff" for c in kept):
            counted.update(c for c in kept if c.isalnum())
        elif kept:
            counted[kept] += 1
    return counted


def f_score(pairs: list[tuple[str, str]]) -> tuple[float, float, float]:
    """Precision, recall and F of the words of pairs (what stands there, what was read)."""
    right = said = there = 0
    for truth, read in pairs:
        expected, found = words_of(truth), words_of(read)
        right += sum((expected & found).values())
        said += sum(found.values())
        there += sum(expected.values())
    precision, recall = right / max(said, 1), right / max(there, 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def rgb(path: Path) -> Pixels:
    return np.asarray(Image.open(path).convert("RGB"))


def receipts(folder: Path) -> Iterator[tuple[Pixels, str]]:
    for path in sorted(folder.glob("*.jpg")):
        lines = path.with_suffix(".csv").read_text(encoding="utf-8", errors="replace").splitlines()
        yield rgb(path), "\n".join(line.split(",", 8)[8] for line in lines if line.count(",") >= 8)


def pages(folder: Path) -> Iterator[tuple[Pixels, str]]:
    for name, gold in PAGES.items():
        yield rgb(folder / name), (folder / gold).read_text(encoding="utf-8", errors="replace")


def drawn(font: str, text: str, *, over_noise: bool) -> Iterator[tuple[Pixels, str]]:
    """A sentence in three sizes, in lines of some 24 characters."""
    rng = np.random.default_rng(7)
    for size in (22, 32, 48):
        face = ImageFont.truetype(str(FONTS / font), size)
        lines, room = [""], 24 if " " in text else 14
        for piece in text.split(" ") if " " in text else text:
            gap = " " if " " in text and lines[-1] else ""
            if lines[-1] and len(lines[-1]) + len(piece) > room:
                lines.append(piece)
            else:
                lines[-1] += gap + piece
        width = round(max(face.getlength(line) for line in lines)) + 2 * size
        page = np.full((round((len(lines) + 1) * size * 1.5), width, 3), 255, np.uint8)
        if over_noise:
            coarse = rng.integers(60, 200, (page.shape[0] // 32 + 2, page.shape[1] // 32 + 2, 3)).astype(
                np.uint8
            )
            page = np.asarray(
                Image.fromarray(coarse).resize((width, page.shape[0]), Image.Resampling.BICUBIC)
            )
        image = Image.fromarray(page)
        draw = ImageDraw.Draw(image)
        for i, line in enumerate(lines):
            stroke = size // 14 if over_noise else 0
            colour, edge = ("white", "black") if over_noise else ("black", None)
            draw.text(
                (size, size / 2 + i * size * 1.5), line, colour, face, stroke_width=stroke, stroke_fill=edge
            )
        yield np.asarray(image), text


class Ours:
    """The analyzer's own reading, with a view of ``side``; counts the seconds of each network."""

    def __init__(self, reader: Timed, side: int) -> None:
        self._pages = PageReader(reader)  # type: ignore[arg-type]
        self._view = View(side, side, "contain", side)
        self.lines = 0

    def __call__(self, pixels: Pixels) -> str:
        view = make_views(pixels, {"picture": self._view})["picture"]
        (page,) = self._pages.read([page_of(view, pixels.shape[1], pixels.shape[0])])
        self.lines += len(page.lines)
        return "\n".join(block.text for block in page.blocks())


class Timed:
    """A reader that counts the seconds of processor time of each network."""

    def __init__(self, reader: TextReader) -> None:
        self.spec = reader.spec
        self.spent: Counter[str] = Counter()
        self._reader = reader

    def maps(self, pictures: Sequence[Pixels]) -> list[Tensor]:
        return self._timed("finding", self._reader.maps, pictures)

    def read(self, strips: Sequence[Pixels]) -> list[Reading]:
        return self._timed("reading", self._reader.read, strips)

    def _timed(self, name: str, work: Callable[[Any], Any], things: Any) -> Any:
        started = time.process_time()
        found = work(things)
        self.spent[name] += time.process_time() - started
        return found


def beside() -> Reader:
    """rapidocr with its own settings, one thread."""
    from rapidocr import RapidOCR  # python -m pip install rapidocr==3.10.0

    engine = RapidOCR(
        params={
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Global.log_level": "critical",
        }
    )
    return lambda pixels: "\n".join(engine(np.ascontiguousarray(pixels[:, :, ::-1])).txts or ())


def row(name: str, pictures: list[tuple[Pixels, str]], read: Reader, note: str) -> None:
    started = time.process_time()
    pairs = [(truth, read(pixels)) for pixels, truth in pictures]
    spent = time.process_time() - started
    precision, recall, f = f_score(pairs)
    print(
        f"| {name} | {note} | {len(pairs)} | {precision:.3f} | {recall:.3f} | {f:.3f} |"
        f" {spent / len(pairs):.2f} |", flush=True,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sides", type=int, nargs="*", help="sizes of the view instead of the card's")
    parser.add_argument("--beside", action="store_true", help="rapidocr alone as well")
    parser.add_argument("--only", choices=("scans", "drawn"), help="a part of the pictures")
    parser.add_argument("--most", type=int, default=1_000, help="pictures of each kind")
    options = parser.parse_args()
    card = find_card("ppocr_v6_small")
    fetched = tuple(f for f in card.files if not isinstance(f.source, LocalSource))
    reader = Timed(open_text_reader(replace(card, files=fetched), Placement(threads=1)))
    (view,) = card.views.values()
    readers: dict[str, Reader] = {
        f"hivescan, {side}": Ours(reader, side) for side in options.sides or [view.resize_to]
    }
    if options.beside:
        readers["rapidocr"] = beside()
    sets: dict[str, list[tuple[Pixels, str]]] = {}
    if options.only != "drawn":
        sets["receipts (scans)"] = list(receipts(options.folder / "receipts"))
        sets["pages (scans)"] = list(pages(options.folder / "pages"))
    if options.only != "scans":
        for language, (font, text) in SENTENCES.items():
            if (FONTS / font).exists():
                both = (False, True)
                sets[f"{language} (drawn)"] = [p for over in both for p in drawn(font, text, over_noise=over)]
    print("| what | read by | pictures | precision | recall | F | CPU s a picture |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for name, pictures in sets.items():
        for note, read in readers.items():
            row(name, pictures[: options.most], read, note)
    whole = sum(reader.spent.values())
    print("\nOf the networks' time: " + ", ".join(f"{k} {v / whole:.0%}" for k, v in reader.spent.items()))


if __name__ == "__main__":
    main()
