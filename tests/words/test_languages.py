"""The language of a passage."""

from __future__ import annotations

import pytest

from hivescan.words.languages import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The weather was fine, and we spent the afternoon in the garden.", "en"),
        ("El tiempo era bueno y pasamos la tarde en el jardín.", "es"),
        ("O tempo estava bom e passamos a tarde no jardim.", "pt"),
        ("Il faisait beau et nous avons passé l'après-midi au jardin.", "fr"),
        ("Das Wetter war schön, und wir verbrachten den Nachmittag im Garten.", "de"),
        ("मौसम अच्छा था और हमने दोपहर बगीचे में बिताई।", "hi"),
        ("كان الطقس جميلا وقضينا فترة ما بعد الظهر في الحديقة.", "ar"),
    ],
)
def test_sentences_of_the_languages_that_heads_know_are_told(text: str, language: str) -> None:
    assert language_of(text) == language
    assert language_of(f"@someone https://example.com/a {text}\n\n") == language


@pytest.mark.parametrize("text", ["", "12345 67", "…!?", "@name #tag", "https://example.com/the/way"])
def test_what_has_no_words_has_no_language(text: str) -> None:
    assert language_of(text) is None


def test_half_a_surrogate_pair_does_not_stop_it() -> None:
    assert language_of("The weather was \ud800 fine, and we spent the afternoon in the garden.") == "en"
