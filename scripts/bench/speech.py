"""How well speech is written down, how fast, and in what memory: the tables of docs/speech.md.

    python scripts/bench/speech.py words  ../shared/data/speech        # word error rates
    python scripts/bench/speech.py speed  ../shared/data/speech        # beside faster-whisper alone
    python scripts/bench/speech.py memory ../shared/data/speech        # of a recording of hours

Words are compared after Whisper's own normaliser, as its paper does (that of the transformers library,
without its list of British spellings): errors are words put in, left out or changed, over words said. Beside
LJSpeech the sets are Debian's packages of recorded prompts (asterisk-core-sounds-*) and of spoken names of
pictures (tuxpaint-stamps-default), fetched with apt-get and never installed; of each a random sample. Prompts
that are letters, digits or without words are left out: "ten" and "10" are both right.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gzip
import json
import os
import platform
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

SEED = 7
PROMPTS = {"en": "English", "es": "Spanish", "fr": "French", "it": "Italian", "ru": "Russian"}
NAMES_OF_PICTURES = "tuxpaint-stamps-default"
PR_SET_CHILD_SUBREAPER = 36
LEAST_CLIPS = 20
"""A language of fewer recordings is not measured."""


@dataclass(frozen=True)
class Spoken:
    """A recording and what is said in it."""

    path: Path
    language: str
    text: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("words", "speed", "memory"))
    parser.add_argument("folder", type=Path, help="with ljspeech/ and jfk.flac")
    parser.add_argument("--clips", type=int, default=60, help="of each set and language (default 60)")
    parser.add_argument("--set", choices=("ljspeech", "asterisk", "tuxpaint"), action="append")
    parser.add_argument("--analyzer", default="speech", help="speech, or one of another size")
    parser.add_argument("--minutes", type=float, default=4.0, help="of speech for speed")
    parser.add_argument("--rounds", type=int, default=2, help="for speed")
    parser.add_argument("--hours", type=float, default=1.5, help="of speech for memory")
    parser.add_argument("--debs", type=Path, help="keep fetched packages here, and take them from here")
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        print(json.dumps(alone(*args.only)))
        return
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        if args.what == "words":
            words(args, work)
        elif args.what == "speed":
            speed(args, work)
        else:
            memory(args, work)
    packages = ("faster-whisper", "ctranslate2", "onnxruntime", "av")
    versions = ", ".join(f"{p} {metadata.version(p)}" for p in packages)
    print(f"\n{processor()}, {len(os.sched_getaffinity(0))} cores; {versions}")


# --- words ----------------------------------------------------------------------------------------


def words(args: argparse.Namespace, work: Path) -> None:
    sets = args.set or ["ljspeech", "asterisk", "tuxpaint"]
    print("| set | language | clips | words | word error rate | language told | nothing written |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for kind in sets:
        for language, spoken in by_language(kind, args, work):
            row = measured(spoken, language, args.analyzer, work)
            print(f"| {kind} | {language} | {len(spoken)} | {row} |", flush=True)


def by_language(kind: str, args: argparse.Namespace, work: Path) -> Iterator[tuple[str, list[Spoken]]]:
    if kind == "ljspeech":
        yield "en", ljspeech(args.folder)
        return
    debs = args.debs or work / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    every = list(asterisk(debs, work)) if kind == "asterisk" else list(tuxpaint(debs, work))
    for language in sorted({s.language for s in every}):
        there = sorted((s for s in every if s.language == language), key=lambda s: str(s.path))
        if len(there) >= LEAST_CLIPS:
            yield language, random.Random(SEED).sample(there, min(args.clips, len(there)))


def ljspeech(folder: Path) -> list[Spoken]:
    lines = (folder / "ljspeech" / "metadata.csv").read_text(encoding="utf-8").splitlines()
    return [
        Spoken(folder / "ljspeech" / "wavs" / f"{name}.flac", "en", text)
        for name, _, text in (line.split("|") for line in lines)
    ]


def asterisk(debs: Path, work: Path) -> Iterator[Spoken]:
    """Prompts of a telephone exchange: the list of texts lies beside the recordings or among the notes."""
    for language in PROMPTS:
        root = unpacked(f"asterisk-core-sounds-{language}-wav", debs, work)
        said: dict[str, str] = {}
        for listed in sorted(root.rglob("*core-sounds*.txt*")):
            said |= prompts(text_of(listed))
        for path in sorted(root.rglob("*.wav")):
            if path.parent.name in {"digits", "letters", "phonetic", "silence", "followme"}:
                continue
            name = next((n for n in names_of(path) if n in said), None)
            if name is not None and worth(said[name]):
                yield Spoken(path, language, said[name])


def names_of(path: Path) -> tuple[str, ...]:
    return f"{path.parent.name}/{path.stem}", path.stem


def prompts(text: str) -> dict[str, str]:
    """``name: text`` a line; comments begin with a semicolon, what is no speech stands in brackets."""
    found = {}
    for line in text.splitlines():
        name, colon, said = line.partition(":")
        if colon and not line.startswith(";"):
            found[name.strip()] = re.sub(r"\[[^\]]*\]|\([^)]*\)|\"", " ", said).strip()
    return found


def worth(text: str) -> bool:
    """Words and no figures."""
    return bool(re.search(r"\w{2}", text)) and not re.search(r"\d|\.\.\.|^<", text)


def tuxpaint(debs: Path, work: Path) -> Iterator[Spoken]:
    """Names of pictures: ``cat.txt`` has a line a language, ``cat_desc_fr.ogg`` is the French one spoken."""
    root = unpacked(NAMES_OF_PICTURES, debs, work)
    for listed in sorted(root.rglob("*.txt")):
        first, *others = text_of(listed).splitlines() or [""]
        texts = {"en": first.strip()}
        for line in others:
            code, equals, said = line.partition("=")
            if equals:
                texts[code.removesuffix(".utf8").strip()] = said.strip()
        for path in sorted(listed.parent.glob(f"{listed.stem}_desc*.ogg")):
            code = path.stem.removeprefix(f"{listed.stem}_desc").lstrip("_") or "en"
            language = code.partition("_")[0]
            if code in texts and worth(texts[code]):
                yield Spoken(path, language, texts[code])


def text_of(path: Path) -> str:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def unpacked(package: str, debs: Path, work: Path) -> Path:
    """The files of a Debian package and of its notes, which it may share with a sister package."""
    root = work / package
    for name in (package, package.removesuffix("-wav")):
        if not list(debs.glob(f"{name}_*.deb")):
            subprocess.run(["apt-get", "download", "-qq", name], cwd=debs, check=name == package)
        for deb in sorted(debs.glob(f"{name}_*.deb")):
            subprocess.run(["dpkg-deb", "-x", str(deb), str(root)], check=True)
    return root


def measured(spoken: list[Spoken], language: str, analyzer: str, work: Path) -> str:
    """Words, word error rate, languages told rightly and recordings without a text, as cells."""
    import hivescan

    folder = Path(tempfile.mkdtemp(dir=work))
    for i, one in enumerate(spoken):
        shutil.copyfile(one.path, folder / f"{i:05}{one.path.suffix}")
    hivescan.classify([folder], store=folder / "store", analyzers=(analyzer,))
    found: dict[int, list[tuple[str, str | None]]] = {}
    for row in (
        hivescan.open(folder / "store")
        .sql(
            "SELECT parse_filename(uri, true) AS name, text, language"
            " FROM texts JOIN items USING (content_id)"
            " WHERE origin = 'speech' AND confidence > 0 ORDER BY uri, track, start_ms"
        )
        .to_pylist()
    ):
        found.setdefault(int(row["name"]), []).append((row["text"], row["language"]))
    wrong = total = right_language = empty = 0
    for i, one in enumerate(spoken):
        said = normal(one.text, language)
        heard = normal(" ".join(text for text, _ in found.get(i, [])), language)
        wrong += errors(said, heard)
        total += len(said)
        empty += i not in found
        right_language += any(told == language for _, told in found.get(i, []))
    written = len(spoken) - empty
    told = f"{right_language / written:.0%}" if written else "–"
    return f"{total} | {wrong / total:.3f} | {told} | {empty}"


def normal(text: str, language: str) -> list[str]:
    from transformers.models.whisper.english_normalizer import BasicTextNormalizer, EnglishTextNormalizer

    made = EnglishTextNormalizer({}) if language == "en" else BasicTextNormalizer()
    return made(text).split()


def errors(said: list[str], heard: list[str]) -> int:
    """The fewest words put in, left out or changed between the two."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


# --- speed and memory -----------------------------------------------------------------------------


def long_talk(folder: Path, seconds: float, path: Path) -> float:
    """LJSpeech's sentences one after the other, with pauses of half a second, again and again."""
    import av
    import numpy as np

    from hivescan.media.sound import SAMPLE_RATE, decoded
    from hivescan.types import Limits

    files = sorted((folder / "ljspeech" / "wavs").glob("*.flac"))
    read = [np.concatenate([p.samples for p in decoded(f, Limits(), lambda: None)]) for f in files]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        at, i = 0, 0
        while at < seconds * SAMPLE_RATE:
            sound = np.pad(read[i % len(read)], (0, SAMPLE_RATE // 2))
            frame = av.AudioFrame.from_ndarray(
                (sound[np.newaxis] * 32_767).astype(np.int16), format="s16", layout="mono"
            )
            frame.sample_rate, frame.pts = SAMPLE_RATE, at
            container.mux(stream.encode(frame))
            at, i = at + len(sound), i + 1
        container.mux(stream.encode(None))
    return at / SAMPLE_RATE


WAYS = ("hivescan", "faster-whisper", "faster-whisper, batches of 8")


def speed(args: argparse.Namespace, work: Path) -> None:
    """Each way in a process of its own, in turns: the work itself, and for hivescan a whole scan as well."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # servers of processes are to be waited for here
    path = work / "talk.flac"
    seconds = long_talk(args.folder, 60 * args.minutes, path)
    spent: dict[str, list[dict[str, float]]] = {way: [] for way in (*WAYS, "hivescan classify")}
    for _ in range(args.rounds):
        for way, times in spent.items():
            command = [sys.executable, __file__, args.what, str(args.folder), "--only", way, str(path)]
            before, started = cpu_of_children(), time.perf_counter()
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            wall = time.perf_counter() - started
            said = json.loads(done.stdout.splitlines()[-1])
            times.append(said or {"wall": wall, "cpu": cpu_of_children() - before})
    print(
        f"{seconds:.0f} s of speech, {args.rounds} rounds, the best of each; load {os.getloadavg()[0]:.0f}\n"
    )
    print("| way | seconds | CPU seconds | its seconds ÷ hivescan's | its CPU ÷ hivescan's |")
    print("| --- | ---: | ---: | ---: | ---: |")
    best = {way: {k: min(t[k] for t in times) for k in ("wall", "cpu")} for way, times in spent.items()}
    for way, took in best.items():
        ratios = " | ".join(f"{took[k] / best['hivescan'][k]:.2f}" for k in ("wall", "cpu"))
        print(f"| {way} | {took['wall']:.1f} | {took['cpu']:.1f} | {ratios} |")


def cpu_of_children() -> float:
    """CPU seconds of all processes that this one started, and that those did, and that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, 0):
            pass
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def alone(way: str, path: str) -> dict[str, float]:
    """One way over the file, in this process, all cores; its work is timed after its model is loaded."""
    if way == "hivescan classify":
        import hivescan

        with tempfile.TemporaryDirectory() as store:
            hivescan.classify([path], store=f"{store}/s", analyzers=("speech",))
        return {}
    work = with_hivescan(path) if way == "hivescan" else with_faster_whisper(way, path)
    started, before = time.perf_counter(), time.process_time()
    work()
    return {"wall": time.perf_counter() - started, "cpu": time.process_time() - before}


def with_hivescan(path: str) -> Callable[[], object]:
    """Decoding, voice activity and the model, as workers and host of a scan do it."""
    import numpy as np

    from hivescan.analyzers import registry
    from hivescan.cores import available_cores
    from hivescan.media.utterances import utterances
    from hivescan.models.backends.base import Placement
    from hivescan.types import Limits

    analyzer = registry.load("speech", Placement(threads=available_cores()))

    def work() -> object:
        found = [clip.samples for clip in utterances(Path(path), Limits())]
        return analyzer.infer({"utterance": np.stack(found)})

    return work


def with_faster_whisper(way: str, path: str) -> Callable[[], object]:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    from hivescan.cores import available_cores
    from hivescan.models.cards import find_card
    from hivescan.models.fetch import ensure

    with tempfile.TemporaryDirectory() as folder:
        for name, file in ensure(find_card("whisper_base")).items():
            (Path(folder) / name).symlink_to(file)
        model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=available_cores())
    options = {"beam_size": 5, "vad_filter": True, "word_timestamps": True}
    if way.endswith("8"):
        batched = BatchedInferencePipeline(model)
        return lambda: list(batched.transcribe(path, batch_size=8, **options)[0])
    return lambda: list(model.transcribe(path, condition_on_previous_text=False, **options)[0])


def memory(args: argparse.Namespace, work: Path) -> None:
    """What cutting a long recording into utterances takes, in a process of its own."""
    code = (
        "import resource, sys, time\n"
        "from pathlib import Path\n"
        "from hivescan.media.utterances import utterances\n"
        "from hivescan.types import Limits\n"
        "started, count, last = time.process_time(), 0, 0\n"
        "for found in utterances(Path(sys.argv[1]), Limits()):\n"
        "    count, last = count + 1, found.end_ms\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "print(f'{last / 1000:.0f} | {count} | {peak:.0f} | {time.process_time() - started:.1f}')\n"
    )
    print("| seconds of speech | utterances | MB at most | CPU seconds |\n| ---: | ---: | ---: | ---: |")
    for hours in (0.05, args.hours):
        path = work / "talk.flac"
        long_talk(args.folder, 3600 * hours, path)
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True
        )
        print(f"| {done.stdout.strip()} |", flush=True)


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


if __name__ == "__main__":
    main()
