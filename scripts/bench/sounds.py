"""Speech, music or silence: what the sound model takes for which, and how fast: the table of docs/sound.md.

    python scripts/bench/sounds.py ../shared/data/sounds

The folder has a folder a class. Of each file the highest of the three heads is taken, in the mean over its
clips.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from hivescan.analyzers import registry
from hivescan.media.sound import clips
from hivescan.models.backends.base import Placement
from hivescan.types import Limits

CLASSES = ("speech", "music", "silence")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    analyzer = registry.load("sounds", Placement(threads=1))
    counts: Counter[tuple[str, str]] = Counter()
    false_alarms: Counter[str] = Counter()
    heard_ms, spent, files = 0, 0.0, 0
    for name in CLASSES:
        for path in sorted((folder / name).iterdir()):
            found = list(clips(path, Limits()))
            started = time.process_time()
            findings = analyzer.infer({"sound": np.stack([clip.samples for clip in found])})
            spent += time.process_time() - started
            heard_ms += found[-1].end_ms
            files += 1
            scores = {s.head: s.scores[:, 0] for s in findings.scores}
            counts[name, max(CLASSES, key=lambda head: float(scores[head].mean()))] += 1
            false_alarms.update(h for h, s in scores.items() if h not in CLASSES and s.max() >= 0.5)
    print("| it is | " + " | ".join(f"taken for {name}" for name in CLASSES) + " |")
    print("| --- |" + " ---: |" * len(CLASSES))
    for name in CLASSES:
        print(f"| {name} | " + " | ".join(str(counts[name, other]) for other in CLASSES) + " |")
    print(f"\n{1000 * spent / heard_ms:.4f} CPU s a second of sound")
    print(f"other heads at 0.5 or above, of {files} files: {dict(false_alarms)}")


if __name__ == "__main__":
    main()
