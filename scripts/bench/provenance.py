"""What provenance says of folders of files, and what it costs: the table of docs/provenance.md.

    python scripts/bench/provenance.py ../shared/data/clothing ../shared/data/objects …

Each folder is one row. Time is that of the analyzer alone, from one process, after the file was identified.
Then a row a manifest, and how many pictures of generators give their model and their prompt.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from hivescan.analyzers.provenance import Provenance
from hivescan.errors import MediaError
from hivescan.media.probe import probe
from hivescan.types import Evidence, Limits, MediaType, Says

READ = {MediaType.IMAGE, MediaType.VIDEO, MediaType.AUDIO}


Found = list[tuple[Path, Evidence]]


def study(folder: Path, analyzer: Provenance, found: Found) -> tuple[int, Counter[str], float]:
    """Files that could be identified, how many say what, and seconds; adds manifests and generators."""
    said: Counter[str] = Counter()
    files, seconds = 0, 0.0
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            info = probe(path, Limits())
        except MediaError:
            continue
        if info.media_type not in READ:
            continue
        started = time.perf_counter()
        evidence = analyzer.infer(path, info, lambda: None).evidence
        seconds += time.perf_counter() - started
        files += 1
        assert evidence is not None
        said.update({piece.says.value for piece in evidence[0]})
        found += [(path, piece) for piece in evidence[0] if piece.kind in ("c2pa", "generator")]
    return files, said, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    analyzer = Provenance()
    found: Found = []
    print("| folder | files | say AI | say edited | say camera | ms a file |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for folder in parser.parse_args().folders:
        files, said, seconds = study(folder, analyzer, found)
        counts = " | ".join(f"{said[s]:,}" for s in (Says.AI_GENERATED, Says.EDITED, Says.CAMERA))
        print(f"| {folder.name} | {files:,} | {counts} | {1000 * seconds / max(1, files):.2f} |")
    print("\n| file | state | why |\n| --- | --- | --- |")
    for path, piece in found:
        if piece.kind == "c2pa":
            failures = piece.value.get("failures") or ()
            assert isinstance(failures, list | tuple)
            print(f"| {path.name} | {piece.name} | {', '.join(failures)} |")
    made = [piece for _, piece in found if piece.kind == "generator"]
    models, prompts = (sum(bool(piece.value.get(key)) for piece in made) for key in ("model", "prompt"))
    print(f"\n{len(made)} pictures of generators: {models} with their model, {prompts} with their prompt.")


if __name__ == "__main__":
    main()
