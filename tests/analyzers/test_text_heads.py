"""The heads of text: severities, languages that they do not know, and the rule about minors.

Wording is harmless; words of the list are taken from it by their ratings, not spelled out.
"""

from __future__ import annotations

import numpy as np
import pytest

from hivescan.analyzers import registry, text_rules
from hivescan.analyzers.base import HostAnalyzer
from hivescan.analyzers.text_rules import UNSUPPORTED, look, words_found
from hivescan.analyzers.text_spans import spans
from hivescan.errors import UsageError
from hivescan.models.backends.base import Placement
from hivescan.models.cards import find_card
from hivescan.models.fetch import obstacle
from hivescan.types import HeadScores
from hivescan.words.word_list import SEVERE, SLURS, STRONG, english

STRONG_WORD = max(
    (
        t.words[0]
        for t in english().terms
        if len(t.words) == 1 and t.rating >= STRONG and t.words[0].isalpha()
    ),
    key=len,
)
MILD_WORD = max(
    (t.words[0] for t in english().terms if len(t.words) == 1 and t.rating < STRONG and t.words[0].isalpha()),
    key=len,
)
SLUR = max(
    (t.words[0] for t in english().terms if len(t.words) == 1 and t.rating >= SEVERE and t.kinds & SLURS),
    key=len,
)
QUIET = "We spent a quiet afternoon in the garden, and the neighbours brought a cake."
RUDE = "You are the dumbest person I have ever met, you stupid worthless idiot."
GERMAN = "Das Wetter war schön, und wir verbrachten den Nachmittag im Garten."
FRENCH = "Il faisait beau et nous avons passé l'après-midi au jardin avec les voisins."


def labels_of(texts: list[str]) -> dict[str, list[str]]:
    """By head, the class that each text has most of."""
    made = text_rules.scores([look(text) for text in texts])
    return {head.head: [head.labels[i] for i in head.scores.argmax(axis=1)] for head in made}


def test_words_of_the_list_make_profanity_by_their_ratings() -> None:
    texts = [
        f"What a {STRONG_WORD} day that was for us",
        f"What a {MILD_WORD} day that was for us",
        QUIET,
        GERMAN,
    ]
    assert labels_of(texts)["text_profanity"] == [
        "yes_text_profanity",
        "mild_text_profanity",
        "no_text_profanity",
        UNSUPPORTED,
    ]


@pytest.mark.parametrize(
    ("text", "severities"),
    [
        ("Selling top quality c0caine, write to me: dm me", {"text_drugs": 3}),
        ("We were smoking weed by the lake the whole night", {"text_drugs": 2}),
        ("The police seized cocaine that was for sale in the harbour", {"text_drugs": 1}),
        ("There is so much weed in my garden this spring", {}),
        ("Guns for sale, no background check, cash only, dm me", {"text_weapons": 3}),
        ("He said that he is bringing a rifle to school tomorrow", {"text_weapons": 2}),
        ("The museum shows rifles and pistols of the last century", {"text_weapons": 1}),
        ("How to make a bath bomb with lavender and salt", {}),
        ("I just want to die, good night everyone", {"text_self_harm": 3, "text_violence": 2}),
        ("Lately I have been thinking about ending it all", {"text_self_harm": 2, "text_violence": 2}),
        ("If you feel suicidal, please call the helpline", {"text_self_harm": 1}),
        ("Tomorrow I will kill you and your family", {"text_violence": 3}),
        ("Those people should all be hanged in the square", {"text_violence": 2}),
        ("I'll kill you if you spoil the ending haha", {"text_violence": 3}),
        ("Whoever spoils the ending should be shot haha", {"text_violence": 1}),
        ("She never said I will kill you", {"text_violence": 1}),
        ('The letter said "I will kill you", and we called a lawyer', {"text_violence": 1}),
        (QUIET, {}),
    ],
)
def test_topics_have_severities_by_what_is_said_of_them(text: str, severities: dict[str, int]) -> None:
    labels = labels_of([text])
    said = {head: int(labels[head][0][-1]) for head in labels if labels[head][0][-1].isdigit()}
    assert {head: n for head, n in said.items() if n and head != "text_sexual"} == severities
    assert labels_of([GERMAN])["text_drugs"] == [UNSUPPORTED]


def test_adverts_are_told_in_the_languages_of_the_list() -> None:
    texts = ["Today only, 20 % off in our shop!", "Nur heute, 20 % Rabatt in unserem Laden!", QUIET, GERMAN]
    hindi = "यह किताब मुझे बहुत पसंद आई और मैं इसे फिर पढ़ूंगा"
    said = labels_of([*texts, hindi])["text_promotions"]
    assert said == ["yes_text_promotions"] * 2 + ["no_text_promotions"] * 2 + [UNSUPPORTED]
    found = words_found(look(texts[0]))
    assert {entity.value for entity in found} >= {"promotions urge", "promotions offer", "promotions sell"}


def test_the_place_of_a_word_is_told_and_the_word_is_not() -> None:
    text = f"What a {' '.join(STRONG_WORD)} day that was for us"
    (found,) = words_found(look(text))
    assert text[found.start : found.end].replace(" ", "") == STRONG_WORD
    assert found.disguised and STRONG_WORD not in found.value
    assert found.value.split()[0] in ("strong", "severe")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Advice for parents: how to talk with children about sexual health", "yes_text_child_exploitation"),
        ("A report on CSAM was published by the police today", "yes_text_child_exploitation"),
        ("Consejos de educación sexual para niños en la escuela primaria", "yes_text_child_exploitation"),
        ("Children played in the garden all afternoon with the dog", "no_text_child_exploitation"),
        ("The lecture was about sexual selection among birds of paradise", "no_text_child_exploitation"),
        ("Хорошая погода, и мы провели весь день в саду с соседями", UNSUPPORTED),
    ],
)
def test_minors_and_sexual_things_in_one_breath_are_for_a_person_to_see(text: str, label: str) -> None:
    assert labels_of([text])["text_child_exploitation"] == [label]


@pytest.fixture(scope="module")
def analyzer() -> HostAnalyzer:
    for name in ("minilm_l6", "e5_small"):
        reason = obstacle(find_card(name))
        if reason is not None:
            pytest.skip(f"{name}: {reason}")
    return registry.load("text_heads", Placement(threads=1))


def run(analyzer: HostAnalyzer, *texts: str) -> dict[str, HeadScores]:
    view = np.empty(len(texts), object)
    view[:] = texts
    return {head.head: head for head in analyzer.infer({"text": view}).scores}


def harmful(head: HeadScores) -> np.ndarray:
    return head.scores[:, [i for i, label in enumerate(head.labels) if label[-2:] in ("_3", "_2")]].sum(
        axis=1
    )


def test_insults_score_above_quiet_talk_and_other_languages_are_unsupported(analyzer: HostAnalyzer) -> None:
    found = run(analyzer, RUDE, QUIET, GERMAN)
    bullying = found["text_bullying"]
    assert harmful(bullying)[0] > 0.5 > harmful(bullying)[1]
    for name in ("text_hate", "text_bullying", "text_gibberish"):
        head = found[name]
        assert head.scores[2, head.labels.index(UNSUPPORTED)] == 1.0
        assert np.allclose(head.scores.sum(axis=1), 1.0, atol=1e-5)


def test_french_is_seen_by_the_head_for_it_and_english_by_its_own(analyzer: HostAnalyzer) -> None:
    abuse = run(analyzer, FRENCH, QUIET)["text_abuse"]
    at = abuse.labels.index(UNSUPPORTED)
    assert abuse.scores[:, at].tolist() == [0.0, 1.0]


def test_letters_without_meaning_are_gibberish(analyzer: HostAnalyzer) -> None:
    head = run(analyzer, "xkq wvbn zzpl qwrt jkhg mnbv", QUIET)["text_gibberish"]
    score = head.scores[:, head.labels.index("yes_text_gibberish")]
    assert score[0] > 0.5 > score[1]
    short = run(analyzer, "ok", "qzx")["text_gibberish"]
    assert (short.scores[:, head.labels.index(UNSUPPORTED)] == 1.0).all()


def test_a_severe_slur_shows_in_hate_however_the_rest_reads(analyzer: HostAnalyzer) -> None:
    plain = f"He said {SLUR} to them, and they left"
    hidden = f"He said {'.'.join(SLUR)} to them, and they left"
    head = run(analyzer, plain, hidden, "He said hello to them, and they left")["text_hate"]
    assert (harmful(head)[:2] >= 0.5).all()
    assert harmful(head)[2] < 0.5


def test_a_row_does_not_depend_on_its_neighbours(analyzer: HostAnalyzer) -> None:
    texts = [RUDE, GERMAN, QUIET, FRENCH, ""]
    together = run(analyzer, *texts)
    for i, text in enumerate(texts):
        for name, head in run(analyzer, text).items():
            assert np.array_equal(head.scores[0], together[name].scores[i])


def test_spam_is_told_from_what_people_write_to_each_other(analyzer: HostAnalyzer) -> None:
    spam = "Congratulations! You have won a FREE prize. Click here now to claim your money, limited offer!!!"
    head = run(analyzer, spam, QUIET, GERMAN)["text_spam"]
    yes = head.scores[:, head.labels.index("yes_text_spam")]
    assert yes[0] > 0.5 > yes[1] and yes[2] == 0


def test_the_words_that_a_score_comes_from_are_told(analyzer: HostAnalyzer) -> None:
    text = f"The garden is nice and this {STRONG_WORD} neighbour is out again"
    assert [text[s.start : s.end] for s in spans(analyzer, text, "text_profanity")] == [STRONG_WORD]
    text = "This neighbour of ours is an idiot."
    rude = spans(analyzer, text, "text_bullying")
    assert "idiot." in {text[s.start : s.end] for s in rude} and all(0 < s.drop <= 1 for s in rude)
    # Where several say the same, none of them alone is missed.
    assert {RUDE[s.start : s.end] for s in spans(analyzer, RUDE, "text_bullying")} & {"stupid", "idiot."}
    text = "Selling coke, dm me. It is not far from here. Selling coke, dm me."
    again = spans(analyzer, text, "text_drugs")
    assert len(again) == 2 and all("coke" in text[s.start : s.end] and s.drop == 1 for s in again)
    with pytest.raises(UsageError, match="no head 'mood' of texts; there are text_"):
        spans(analyzer, QUIET, "mood")


def test_every_head_is_declared_with_its_classes(analyzer: HostAnalyzer) -> None:
    declared = {
        (model, h.name): h.labels for model, heads in (analyzer.spec.heads or {}).items() for h in heads
    }
    for head in run(analyzer, QUIET).values():
        assert declared[head.model, head.head] == head.labels
