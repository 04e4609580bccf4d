"""The same address or link in many files, and lists of domains."""

from __future__ import annotations

from pathlib import Path

import pytest

from hivescan.errors import UsageError
from hivescan.queries.campaigns import CampaignOptions, DomainLists, campaigns, read_domains
from hivescan.report.model import plain
from hivescan.report.report import report
from hivescan.store.store import Store
from tests.made_stores import MadeStore

EMAIL, LINK, OTHER = "jane@example.com", "http://shop.example.org/a", "http://example.net"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = MadeStore(tmp_path_factory.mktemp("campaigns") / "store")
    found = {
        "/a.txt": [("email", EMAIL, "example.com", False), ("email", EMAIL, "example.com", True)],
        "/b.txt": [("email", EMAIL, "example.com", False), ("url", LINK, "example.org", False)],
        "/c.txt": [
            ("url", "http://example.org/b", "example.org", False),
            ("phone", "+12025550143", None, False),
        ],
        "/d.txt": [("url", OTHER, "example.net", False), ("word", "mild profane", None, False)],
    }
    for uri, entities in found.items():
        content_id = made.file(uri, media_type="text", chains=("entities",))
        for kind, value, domain, disguised in entities:
            made.entity(content_id, kind, value, domain, disguised=disguised)
    made.file("/copy of a.txt", content="/a.txt", media_type="text")
    made.file("/copy of d.txt", content="/d.txt", media_type="text")
    return made.done()


def test_what_stands_in_several_contents_is_a_campaign_and_copies_are_not(store: Store) -> None:
    (found,) = campaigns(store)
    assert (found.kind, found.value, found.domain) == ("email", EMAIL, "example.com")
    assert (found.contents, found.items, found.mentions, found.disguised) == (2, 3, 3, 1)
    assert found.examples == ("/a.txt", "/b.txt")


def test_by_domain_different_links_to_one_domain_come_together(store: Store) -> None:
    found = campaigns(store, CampaignOptions(by="domain"))
    assert [(c.value, c.contents) for c in found] == [("example.com", 2), ("example.org", 2)]


def test_a_denied_domain_is_told_wherever_it_stands_and_comes_first(store: Store) -> None:
    lists = DomainLists(denied=frozenset({"example.net"}))
    found = campaigns(store, CampaignOptions(lists=lists))
    assert [(c.value, c.denied, c.contents) for c in found] == [(OTHER, True, 1), (EMAIL, False, 2)]


def test_an_allowed_domain_is_left_out_with_its_subdomains_unless_it_is_denied(store: Store) -> None:
    allowed = frozenset({"example.com", "example.org"})
    assert campaigns(store, CampaignOptions(by="domain", lists=DomainLists(allowed=allowed))) == ()
    both = DomainLists(allowed=allowed, denied=frozenset({"shop.example.org"}))
    assert [c.value for c in campaigns(store, CampaignOptions(lists=both))] == [LINK]


def test_kinds_and_items_can_be_chosen(store: Store) -> None:
    everything = CampaignOptions(kinds=("phone",), least_contents=1)
    assert [c.value for c in campaigns(store, everything)] == ["+12025550143"]
    some = CampaignOptions(least_contents=1, where="uri LIKE '%d.txt'")
    assert [c.value for c in campaigns(store, some)] == [OTHER]
    with pytest.raises(UsageError, match="no kind of entity 'name'; there are email"):
        campaigns(store, CampaignOptions(kinds=("name",)))


def test_a_mention_where_two_passages_overlap_is_counted_once(tmp_path: Path) -> None:
    """By their places in plain text; where markup stands between, by what the passage before says."""
    made = MadeStore(tmp_path / "store")
    texts = (f"{'a' * 40} {EMAIL}", f"{EMAIL} b {EMAIL}")
    for uri, ends in (("/plain.txt", (57, 76)), ("/page.html", (90, 120))):
        content_id = made.file(uri, media_type="text", chains=("entities", "passages"))
        for index, (start, end) in enumerate(zip((0, 41), ends, strict=True)):
            made.passage(content_id, index, texts[index], start, end)
        for index, place in ((0, 41), (1, 0), (1, 19)):
            made.entity(
                content_id,
                "email",
                EMAIL,
                "example.com",
                disguised=False,
                index=index,
                place=(place, place + 16),
            )
    (found,) = campaigns(made.done())
    assert (found.contents, found.mentions) == (2, 4)


def test_a_report_counts_what_texts_name_and_tells_no_value(store: Store) -> None:
    made = report(store)
    assert [(e.kind, e.files, e.values, e.shared) for e in made.entities] == [
        ("url", 4, 3, 0),
        ("email", 3, 1, 1),
        ("phone", 1, 1, 0),
    ]
    assert EMAIL not in str(plain(made))


def test_lists_of_domains_have_comments_and_a_wrong_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "deny.txt"
    path.write_text("# bad ones\nExample.NET.  # with a dot\n\n*.example.org\n")
    assert read_domains(path) == {"example.net", "example.org"}
    path.write_text("example.net\nhttps://example.org/\n")
    with pytest.raises(UsageError, match="line 2 is no domain"):
        read_domains(path)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_domains(tmp_path / "none.txt")
