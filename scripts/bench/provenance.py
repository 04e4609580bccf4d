"""What provenance says of folders of files, and what it costs: the table of docs/provenance.md.

    python scripts/bench/provenance.py ../shared/data/clothing ../shared/data/objects …

Each folder is one row. Time is that of the analyzer alone, from one process, after the file was identified.
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
from hivescan.types import Limits, MediaType, Says

READ = {MediaType.IMAGE, MediaType.VIDEO, MediaType.AUDIO}


def study(folder: Path, analyzer: Provenance) -> tuple[int, Counter[str], float]:
    """Files that could be identified, how many say what, and seconds."""
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
        found = analyzer.infer(path, info, lambda: None).evidence
        seconds += time.perf_counter() - started
        files += 1
        assert found is not None
        said.update({piece.says.value for piece in found[0]})
    return files, said, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    analyzer = Provenance()
    print("| folder | files | say AI | say edited | say camera | ms a file |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for folder in parser.parse_args().folders:
        files, said, seconds = study(folder, analyzer)
        counts = " | ".join(f"{said[s]:,}" for s in (Says.AI_GENERATED, Says.EDITED, Says.CAMERA))
        print(f"| {folder.name} | {files:,} | {counts} | {1000 * seconds / max(1, files):.2f} |")


if __name__ == "__main__":
    main()
