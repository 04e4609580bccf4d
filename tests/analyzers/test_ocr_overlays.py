"""Text that stands over several frames is one passage with a beginning and an end."""

from __future__ import annotations

from hivescan.analyzers.ocr.overlays import merge_overlays
from hivescan.types import ContentId, Findings, Level, SampleKey, Text

CONTENT = ContentId("0" * 64)
BOTTOM = (0.2, 0.8, 0.8, 0.8, 0.8, 0.9, 0.2, 0.9)
TOP = (0.2, 0.1, 0.8, 0.1, 0.8, 0.2, 0.2, 0.2)


def text(words: str, polygon: tuple[float, ...] = BOTTOM, confidence: float = 0.9) -> Text:
    return Text("ocr", words, polygon=polygon, confidence=confidence)


def pieces(
    *frames: list[Text], at_once: int = 2, timed: bool = True
) -> list[tuple[list[SampleKey], Findings]]:
    keys = [
        SampleKey(CONTENT, Level.FRAME, i, 1000 * i if timed else None, 1000 * (i + 1) if timed else None)
        for i in range(len(frames))
    ]
    return [
        (keys[at : at + at_once], Findings(texts=tuple(map(tuple, frames[at : at + at_once]))))
        for at in range(0, len(frames), at_once)
    ]


def merged(*frames: list[Text], **how: int) -> list[list[tuple[str, int | None, int | None] | None]]:
    return [
        [None if t is None else (t.text, t.start_ms, t.end_ms) for t in texts]
        for _, found in merge_overlays(pieces(*frames, **how))
        for texts in found.texts or ()
    ]


def test_the_same_caption_over_frames_is_one_text_until_its_last_frame_ends() -> None:
    frames = [[text("Summer sale")]] * 3 + [[text("Now on")]]
    for at_once in (1, 2, 4):
        assert merged(*frames, at_once=at_once) == [
            [("Summer sale", 0, 3000)],
            [None],
            [None],
            [("Now on", None, None)],
        ]


def test_ordinals_of_the_others_stay() -> None:
    assert merged([text("mark", TOP)], [text("new"), text("mark", TOP)]) == [
        [("mark", 0, 2000)],
        [("new", None, None), None],
    ]


def test_a_letter_misread_now_and_then_is_the_same_text_and_the_surest_reading_counts() -> None:
    frames = [text("Summer sa1e today!", confidence=0.7), text("Summer sale today!", confidence=0.95)]
    assert merged(*[[f] for f in frames]) == [[("Summer sale today!", 0, 2000)], [None]]


def test_elsewhere_or_after_a_gap_it_is_another_text() -> None:
    assert merged([text("mark")], [text("mark", TOP)]) == [[("mark", None, None)], [("mark", None, None)]]
    assert merged([text("mark")], [], [text("mark")]) == [
        [("mark", None, None)],
        [],
        [("mark", None, None)],
    ]
    assert merged([text("12:01")], [text("12:02")]) == [[("12:01", None, None)], [("12:02", None, None)]]


def test_two_equal_texts_of_a_frame_stay_two() -> None:
    frame = [text("mark"), text("mark", TOP)]
    assert merged(frame, frame) == [[("mark", 0, 2000), ("mark", 0, 2000)], [None, None]]


def test_pages_without_times_stay_as_they_are() -> None:
    frames = [[text("mark")], [text("mark")]]
    assert merged(*frames, timed=False) == [[("mark", None, None)], [("mark", None, None)]]
    assert merge_overlays([]) == []
    key = SampleKey(CONTENT, Level.FRAME, 0, 0, 1)
    assert merge_overlays([([key], Findings())]) == [([key], Findings())]
