"""Speech in a scan: what is said in files and videos, at its times, and what heads on texts say of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from hivescan.analyzers import registry
from hivescan.automl.deploy import deploy
from hivescan.automl.trained import Base, save_version
from hivescan.errors import UsageError
from hivescan.models import speech_tower
from hivescan.models.cards import find_card
from hivescan.models.fetch import obstacle
from hivescan.models.network import space_of
from hivescan.models.text_tower import open_text_tower
from hivescan.models.vector_head import VectorHead
from tests.automl.made_models import made_head, record_of
from tests.media.speech_files import sentence, silence, write
from tests.scan.scenes import comparable, make_clip, rows, scan


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A video of two tracks, a recording with a pause, silence, and a video without sound."""
    reason = obstacle(find_card("whisper_base"))
    if reason is not None:
        pytest.skip(f"whisper_base: {reason}")
    made = tmp_path_factory.mktemp("media")
    tracks = [np.concatenate([silence(2.0), sentence(data, 2)]), sentence(data, 4)]
    write(made / "video.mkv", tracks, seconds_of_video=5)
    write(made / "talk.mka", [np.concatenate([sentence(data, 2), silence(4.0), sentence(data, 6)])])
    write(made / "silence.mka", [silence(3.0)])
    make_clip(made / "mute.mp4")
    return made


@pytest.fixture
def text_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VectorHead:
    """A head on vectors of texts, deployed under the name ``tone``."""
    monkeypatch.setenv("HIVESCAN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HIVESCAN_MODELS", raising=False)
    card = find_card("minilm_l6")
    reason = obstacle(card)
    if reason is not None or card.embedding is None:
        pytest.skip(f"minilm_l6: {reason}")
    head = made_head("tone", dimensions=card.embedding.dimensions)
    save_version("tone", "text", Base(card.name, space_of(card)), {"tone": (head, record_of(head))})
    deploy("tone")
    return head


def test_what_is_said_stands_in_the_store_and_heads_read_it(
    folder: Path, tmp_path: Path, text_head: VectorHead
) -> None:
    store = tmp_path / "a"
    summary = scan(store, folder, analyzers=("speech", "tone"), workers=1)
    assert (summary.failed, summary.partial) == (0, 0)
    said = rows(
        store,
        "SELECT parse_filename(uri) AS name, t.* FROM texts t JOIN items USING (content_id)"
        " ORDER BY name, track, start_ms",
    )
    assert {(r["name"], r["track"]) for r in said} == {("talk.mka", 0), ("video.mkv", 0), ("video.mkv", 1)}
    assert all((r["level"], r["origin"], r["language"]) == ("utterance", "speech", "en") for r in said)
    (late,) = [r for r in said if r["name"] == "video.mkv" and r["track"] == 0]
    assert "comparatively modern" in late["text"].lower()
    assert 1_500 < late["start_ms"] < late["end_ms"] < 4_500
    words = json.loads(late["words"])
    assert late["start_ms"] - 300 <= words[0]["start_ms"] and words[-1]["end_ms"] <= late["end_ms"] + 300

    scores = rows(
        store,
        "SELECT t.text, s.label, s.score, s.chain, s.level, s.start_ms = t.start_ms AND s.end_ms = t.end_ms"
        " AS there FROM scores s JOIN texts t USING (content_id, index, region) WHERE model = 'tone'",
    )
    texts = sorted({r["text"] for r in said})
    assert len(scores) == 2 * len(said)
    assert {(r["chain"], r["level"], r["there"]) for r in scores} == {("speech>tone", "passage", True)}
    expected = text_head.probabilities(
        open_text_tower(find_card("minilm_l6")).vectors(texts).astype(np.float16)
    )
    for row in scores:
        assert row["score"] == expected[texts.index(row["text"])][text_head.labels.index(row["label"])]
    assert rows(store, "SELECT DISTINCT status FROM items") == [{"status": "done"}]

    scan(tmp_path / "b", folder, analyzers=("tone", "speech"), workers=3, batch_size=2)
    assert comparable(store) == comparable(tmp_path / "b")
    assert scan(store, folder, analyzers=("speech", "tone")).analyzed == 0


def test_speech_that_no_head_read_is_not_called_looked_at(folder: Path, tmp_path: Path) -> None:
    alone = tmp_path / "media"
    alone.mkdir()
    shutil.copy(folder / "silence.mka", alone)
    scan(tmp_path / "a", alone, analyzers=("speech",))
    assert rows(tmp_path / "a", "SELECT status FROM items") == [{"status": "not_analyzed"}]
    assert rows(tmp_path / "a", "SELECT status, samples FROM analyses WHERE chain = 'speech'") == [
        {"status": "done", "samples": 0}
    ]


def test_without_the_library_a_line_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech_tower, "_LIBRARIES", {"no_such_library": "faster-whisper"})
    reason = registry.missing("speech")
    assert reason == "model whisper_base: faster-whisper is not installed: pip install faster-whisper"
    with pytest.raises(UsageError, match=r"analyzer speech cannot run: .*faster-whisper is not installed"):
        scan(tmp_path / "a", folder, analyzers=("hashes", "speech"))
