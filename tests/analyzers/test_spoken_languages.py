"""Languages that were not told are filled in from the rest of the track, where that is sensible."""

from __future__ import annotations

import pytest

from hivescan.analyzers.finishing import finisher_of
from hivescan.analyzers.spoken_languages import settle_languages
from hivescan.types import ContentId, Findings, Level, SampleKey, Text


def said(
    text: str, language: str | None, *, track: int = 0, ms: int = 4_000, confidence: float = 0.8
) -> Text:
    return Text("speech", text, language, confidence=confidence, start_ms=0, end_ms=ms, track=track)


def settled(*texts: Text) -> list[str | None]:
    pieces = [
        ([SampleKey(ContentId("a"), Level.UTTERANCE, i, 0, 1)], Findings(texts=((text,),)))
        for i, text in enumerate(texts)
    ]
    found = [f.texts for _, f in settle_languages(pieces)]
    return [t.language for of_piece in found for row in of_piece or () for t in row if t is not None]


TALK = [said("Nous allons voir.", "fr"), said("C'est la vie, dit-il.", "fr")]


def test_a_short_word_is_in_the_language_of_its_track() -> None:
    assert settled(*TALK, said("Oui.", None)) == ["fr", "fr", "fr"]


@pytest.mark.parametrize(
    "other",
    [
        said("Да.", None),
        said("Oui.", None, track=1),
        said("!!!", None, confidence=0.0),
        said("123", None),
    ],
)
def test_what_is_written_otherwise_heard_elsewhere_or_not_believed_is_left_alone(other: Text) -> None:
    assert settled(*TALK, other) == ["fr", "fr", None]


def test_a_track_of_two_languages_settles_nothing() -> None:
    texts = [*TALK, said("And this is English.", "en", ms=6_000), said("Oui.", None)]
    assert settled(*texts) == ["fr", "fr", "en", None]


def test_what_was_told_stays() -> None:
    assert settled(*TALK, said("Good morning.", "en", ms=500)) == ["fr", "fr", "en"]
    assert settled(said("Oui.", None)) == [None]


def test_models_of_speech_of_any_name_have_it_and_what_stands_behind_them_has_not() -> None:
    for name in ("speech", "whisper_small", "adopted_by_somebody"):
        assert finisher_of(name, Level.UTTERANCE) is settle_languages
    assert finisher_of("speech>text_heads", Level.UTTERANCE) is None
    assert finisher_of("nsfw", Level.FRAME) is None
