"""E-mail as text: what is read of it, in its order, and that no message is too odd to be read."""

from __future__ import annotations

import base64
import io
from email.message import EmailMessage
from email.mime.text import MIMEText
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hivescan.errors import LimitError, MediaError, UnsupportedError
from hivescan.media import mail as module
from hivescan.media.mail import mailbox, read_mail
from hivescan.media.passages import passages
from hivescan.media.probe import probe
from hivescan.types import Limits, Passage

PLAIN = "Dear all,\n\nwe meet on Monday.\n"


def a_mail(subject: str = "Lunch", text: str = PLAIN) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Zoë <zoe@example.org>"
    message["To"] = "team@example.org"
    message["Subject"] = subject
    message["Received"] = "from somewhere by elsewhere"
    message.set_content(text)
    return message


def written(folder: Path, raw: bytes) -> Path:
    path = folder / "no extension"
    path.write_bytes(raw)
    return path


def split(path: Path) -> tuple[list[Passage], MediaError | None]:
    """The passages of a file, and what is said behind the last."""
    found: list[Passage] = []
    try:
        for passage in passages(path, probe(path, Limits())):
            found.append(passage)
    except MediaError as error:
        return found, error
    return found, None


def test_a_mail_is_told_by_its_headers_and_read_with_them(tmp_path: Path) -> None:
    path = written(tmp_path, a_mail("Grüße — 🎉").as_bytes())
    assert probe(path, Limits()).mime == "message/rfc822"
    (passage,), trouble = split(path)
    assert trouble is None
    assert passage.text == (
        "From: Zoë <zoe@example.org>\nTo: team@example.org\nSubject: Grüße — 🎉\n\n"
        "Dear all,\n\nwe meet on Monday."
    )
    assert (passage.char_start, passage.char_end, passage.part) == (0, len(passage.text), None)


@pytest.mark.parametrize(
    "text",
    [
        "From: here on it is only text\nand no header follows\n",
        "Note: this\nWarning: that\n\nand so on\n",
        "HTTP/1.1 200 OK\nDate: Mon, 1 Jan 2024 10:00:00 GMT\nSubject: x\n\n",
        "From me to you, at 12:30\n\nhello\n",
        "subject: a\ndate: b\n\nwords\n",
    ],
)
def test_other_texts_with_colons_are_no_mail(text: str, tmp_path: Path) -> None:
    assert probe(written(tmp_path, text.encode()), Limits()).mime == "text/plain"


def test_html_is_read_without_markup_and_not_twice_where_it_says_the_same(tmp_path: Path) -> None:
    message = a_mail()
    message.add_alternative("<p>Dear <b>all</b>,</p><p>we meet on Monday.</p>", subtype="html")
    assert read_mail(message.as_bytes()).text.count("Monday") == 1
    message = a_mail()
    message.add_alternative("<style>p{}</style><p>Buy <i>now</i></p><p>cheap</p>", subtype="html")
    text = read_mail(message.as_bytes()).text
    assert text.endswith("we meet on Monday.\n\nBuy now\ncheap")


def test_attachments_are_named_not_opened_and_that_is_said(tmp_path: Path) -> None:
    message = a_mail()
    message.add_attachment(b"\x89PNG....", maintype="image", subtype="png", filename="Ünfug.png")
    message.add_attachment("words that are not read", filename="notes.txt")
    found, trouble = split(written(tmp_path, message.as_bytes()))
    assert "Attachment: Ünfug.png (image/png)" in found[0].text
    assert "Attachment: notes.txt (text/plain)" in found[0].text
    assert "not read" not in found[0].text
    assert isinstance(trouble, UnsupportedError)
    assert trouble.reason == "attachments are not opened: 2 were left out"


def test_mails_within_mails_are_read(tmp_path: Path) -> None:
    outer = a_mail("Fwd: lunch", "See below.\n")
    outer.add_attachment(a_mail("Inner words", "The body within.\n"))
    read = read_mail(outer.as_bytes())
    assert read.attachments == 0
    assert "Subject: Fwd: lunch" in read.text
    assert "Subject: Inner words\n\nThe body within." in read.text


@pytest.mark.parametrize("charset", ["iso-8859-1", "koi8-r", "utf-16", "shift_jis", "x-unknown", "base64"])
def test_character_sets_that_are_named_are_taken_and_others_guessed(charset: str) -> None:
    text = {"koi8-r": "Привет всем", "shift_jis": "こんにちは"}.get(charset, "Grüße an alle")
    python = {"x-unknown": "utf-8", "base64": "cp1252"}.get(charset, charset)
    raw = MIMEText("x", "plain").as_bytes().replace(b'charset="us-ascii"', b'charset="%s"' % charset.encode())
    body = text.encode(python)
    if charset == "utf-16":  # newlines in it would be cut
        raw = raw.replace(b"Content-Transfer-Encoding: 7bit", b"Content-Transfer-Encoding: base64")
        body = base64.b64encode(body)
    assert read_mail(raw[: raw.index(b"\n\n") + 2] + body).text == text


def test_bytes_in_headers_that_are_in_no_form_are_read_all_the_same() -> None:
    raw = b"From: a@b\nSubject: gr\xfc\xdfe\n\nbody\n"
    assert read_mail(raw).text == "From: a@b\nSubject: grüße\n\nbody"
    broken = b"From: =?utf-8?b?%%%?= x\nSubject: =?nonsense?q?a?=\n\nbody\n"
    assert read_mail(broken).text.endswith("\n\nbody")


@pytest.mark.parametrize(
    "raw", [b"ContenT-type:;charset*\n\x80", b"Content-Type: text/plain; charset*0*=''%ff\n\n\xfc"]
)
def test_a_charset_that_is_none_is_passed_over(raw: bytes) -> None:
    assert read_mail(raw).text in ("€", "ü")


def test_a_mailbox_is_read_message_by_message(tmp_path: Path) -> None:
    letters = [a_mail(f"Letter {i}", f"{PLAIN}\nFrom here on it is text.\n") for i in range(3)]
    letters[1].add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="a.pdf")
    box = b"".join(b"From zoe@example.org Mon Jan  1 10:00:00 2024\n" + m.as_bytes() + b"\n" for m in letters)
    path = written(tmp_path, box)
    assert probe(path, Limits()).mime == "application/mbox"
    found, trouble = split(path)
    assert [passage.part for passage in found] == [1, 2, 3]
    assert [passage.index for passage in found] == [0, 1, 2]
    assert "Letter 2" in found[2].text and "From here on it is text." in found[2].text
    assert found[2].char_start == 0
    assert trouble is not None and trouble.reason == "attachments are not opened: one was left out"


def test_a_mail_that_is_too_long_is_read_as_far_as_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 2_000)
    path = written(tmp_path, a_mail(text="A sentence. " * 500).as_bytes())
    found, trouble = split(path)
    assert found and isinstance(trouble, LimitError)


def test_parts_without_end_and_without_bottom_are_limited() -> None:
    inner = a_mail().as_bytes()
    for depth in range(60):
        head = b'From: a@b\nContent-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (depth, depth)
        inner = head + inner + b"\n--b%d--\n" % depth
    deep = read_mail(inner)
    assert isinstance(deep.trouble, LimitError)
    many = a_mail()
    many.make_mixed()
    raw = many.as_bytes() + b"".join(b"\n--x\n\nword" for _ in range(5_000))
    wide = read_mail(raw.replace(b"multipart/mixed", b"multipart/mixed; boundary=x"))
    assert wide.text.count("word") <= 1_000


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=80)


@given(
    subject=WORDS, text=WORDS, page=WORDS, encoding=st.sampled_from(["base64", "quoted-printable", "8bit"])
)
def test_what_a_mail_program_writes_is_read_whole(subject: str, text: str, page: str, encoding: str) -> None:
    message = EmailMessage()
    message["From"] = "a@b.example"
    message["Subject"] = " ".join(subject.split())
    message.set_content(text, cte=encoding)
    message.add_alternative(page.replace("<", "").replace("&", ""), subtype="html")
    read = read_mail(message.as_bytes()).text
    assert " ".join(text.split()) in " ".join(read.split())
    assert " ".join(page.replace("<", "").replace("&", "").split()) in " ".join(read.split())


def _whole() -> bytes:
    message = a_mail("Grüße")
    message.add_alternative("<p>Buy</p>", subtype="html")
    message.add_attachment(b"x" * 30, maintype="image", subtype="png", filename="ü.png")
    return message.as_bytes()


WHOLE = _whole()


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    raw=st.one_of(
        st.binary(max_size=400),
        st.tuples(st.integers(0, 900), st.binary(max_size=6)).map(
            lambda cut: WHOLE[: cut[0]] + cut[1] + WHOLE[cut[0] + len(cut[1]) :]
        ),
        st.lists(
            st.sampled_from(
                [
                    b"Content-Type: multipart/mixed; boundary=x\n", b"Content-Type: text/html; charset=hex\n",
                    b"Content-Transfer-Encoding: x-uuencode\n", b"Content-Transfer-Encoding: base64\n",
                    b"Content-Disposition: attachment; filename*=utf-8''%ff\n", b"\n", b"--x\n", b"--x--\n",
                    b"Content-Type: message/rfc822\n", b"From: =?x?y?z?=\n", b"begin 644 a\n", b"\xff\xfe\n",
                    b"Content-Type: ;;;=\n", b'Content-Type: text/plain; charset*0="a"; charset*1*=b\n',
                    b"Content-Type: text/plain; charset=utf-7\n", b"To: =?utf-7?q?+2AA-?=\n", b"+2AA-\n",
                ]
            ),
            max_size=14,
        ).map(b"".join),
    )
)  # fmt: skip
def test_no_message_is_too_odd_to_be_read(raw: bytes) -> None:
    try:
        read = read_mail(raw)
    except MediaError as error:
        assert error.reason
        return
    read.text.encode()  # no halves of surrogate pairs, which no store takes


def test_half_a_surrogate_pair_is_no_text() -> None:
    read = read_mail(b"From: =?utf-7?q?a+2AA-?=\nTo: b\nContent-Type: text/plain; charset=utf-7\n\nc +2AA- d")
    assert read.text == "From: a?\nTo: b\n\nc ? d"


@given(
    st.lists(
        st.sampled_from([b"From a@b 10:00\n", b"\n", b"text\n", b"From here\n", b">From x\n"]), max_size=12
    )
)
def test_a_mailbox_loses_no_line(lines: list[bytes]) -> None:
    letters = list(mailbox(io.BytesIO(b"".join(lines)), lambda: None))
    kept = b"".join(letters)
    assert kept.count(b"text\n") == lines.count(b"text\n")
    assert kept.count(b"From here\n") == lines.count(b"From here\n")
