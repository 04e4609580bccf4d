"""What a walk sees, in which order, and what it leaves alone."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from hivescan.errors import SourceError
from hivescan.media import folder
from hivescan.media.sources import SourceDone, SourceOptions, covers, walk
from hivescan.store import log
from hivescan.types import Observation


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def seen(root: Path | str, *sources: str, stdin: bytes = b"", **options: object) -> list[str]:
    """Relative names in the order of the walk; an entry with an error ends in ``!``."""
    found = []
    for entry in walk(sources or (str(root),), SourceOptions(**options), stdin=io.BytesIO(stdin)):  # type: ignore[arg-type]
        if isinstance(entry, Observation):
            found.append(entry.uri.removeprefix(f"{root}/") + ("!" if entry.error else ""))
    return found


def ends(*sources: str, **options: object) -> list[SourceDone]:
    return [e for e in walk(sources, SourceOptions(**options)) if isinstance(e, SourceDone)]  # type: ignore[arg-type]


def test_a_folder_is_walked_in_a_stable_order_files_before_subfolders(tmp_path: Path) -> None:
    make(tmp_path, "b.jpg", "a.jpg", "z/1.png", "c/2.png", "c/d/3.png")
    assert seen(tmp_path) == ["a.jpg", "b.jpg", "c/2.png", "c/d/3.png", "z/1.png"]


def test_an_observation_tells_size_time_and_source(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    os.utime(tmp_path / "a.jpg", ns=(1, 1_700_000_000_123_456_789))
    entry, done = walk([str(tmp_path)], SourceOptions())
    assert entry == Observation(str(tmp_path / "a.jpg"), str(tmp_path), 5, 1_700_000_000_123_456_789)
    assert done == SourceDone(str(tmp_path), complete=True)


def test_the_source_is_absolute_so_that_the_working_folder_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "m/a.jpg")
    monkeypatch.chdir(tmp_path)
    assert ends("m", "./m/a.jpg", "m/*.jpg") == [
        SourceDone(f"{tmp_path}/m", True),
        SourceDone(f"{tmp_path}/m/a.jpg", True),
        SourceDone(f"{tmp_path}/m/*.jpg", True),
    ]


def test_hidden_files_are_off_by_default_but_a_named_one_is_taken(tmp_path: Path) -> None:
    make(tmp_path, ".a.jpg", ".git/b.jpg", "c.jpg")
    assert seen(tmp_path) == ["c.jpg"]
    assert seen(tmp_path, hidden=True) == [".a.jpg", "c.jpg", ".git/b.jpg"]
    assert seen(tmp_path, str(tmp_path / ".a.jpg")) == [".a.jpg"]


def test_without_recursion_only_the_folder_itself_is_listed(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "b/c.jpg")
    assert seen(tmp_path, recursive=False) == ["a.jpg"]


def test_patterns_fit_the_whole_relative_path_or_the_last_part(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "a.png", "x/b.jpg", "x/old/c.jpg", "y/old.jpg")
    assert seen(tmp_path, include=("*.jpg",)) == ["a.jpg", "x/b.jpg", "x/old/c.jpg", "y/old.jpg"]
    assert seen(tmp_path, include=("x/*",)) == ["x/b.jpg", "x/old/c.jpg"]
    assert seen(tmp_path, exclude=("old*",)) == ["a.jpg", "a.png", "x/b.jpg"]
    assert seen(tmp_path, exclude=("old*/", "*.png")) == ["a.jpg", "x/b.jpg", "y/old.jpg"]
    assert seen(tmp_path, include=("*.JPG",)) == []


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    make(tmp_path, "m/a/1.jpg", "m/b/2.jpg", "elsewhere/3.jpg")
    (tmp_path / "m/a/up").symlink_to("..")
    (tmp_path / "m/a/self").symlink_to("self")
    (tmp_path / "m/a/to_b").symlink_to("../b")
    (tmp_path / "m/b/to_a").symlink_to("../a")
    (tmp_path / "m/out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "m/again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "m/link.jpg").symlink_to(tmp_path / "elsewhere/3.jpg")
    names = seen(tmp_path / "m")
    assert names.count("a/1.jpg") == names.count("b/2.jpg") == names.count("link.jpg") == 1
    assert "a/self!" in names
    assert [n for n in names if n.endswith("3.jpg")] == ["again/3.jpg"]
    assert seen(tmp_path / "m", follow_symlinks=False) == ["a/1.jpg", "b/2.jpg"]


def test_every_folder_linked_to_every_other_is_still_quick(tmp_path: Path) -> None:
    names = [f"d{i}" for i in range(12)]
    make(tmp_path, *(f"{name}/x.jpg" for name in names))
    for here in names:
        for there in names:
            (tmp_path / here / f"to_{there}").symlink_to(f"../{there}")
    found = seen(tmp_path)
    assert {f"{name}/x.jpg" for name in names} <= set(found)
    assert len(found) < 12 * 12


def test_broken_links_and_special_files_are_errors_and_nothing_hangs(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.jpg"))
        entries = [e for e in walk([str(tmp_path)], SourceOptions()) if isinstance(e, Observation)]
    assert {Path(e.uri).name: e.error for e in entries} == {
        "broken.jpg": "broken symbolic link",
        "pipe.jpg": "not a file but a named pipe",
        "socket.jpg": "not a file but a socket",
    }


def test_names_of_any_bytes_are_walked(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9 \xff\n.jpg"
    with open(name, "wb") as file:  # noqa: PTH123
        file.write(b"1")
    entry = next(walk([str(tmp_path)], SourceOptions()))
    assert isinstance(entry, Observation)
    assert entry.uri == f"file://{tmp_path}/caf%E9%20%FF%0A.jpg"
    assert entry.size == 1


def test_an_unreadable_folder_is_an_error_and_the_source_is_not_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a.jpg", "closed/b.jpg")
    scandir = os.scandir

    def refusing(path: str) -> Iterator[os.DirEntry[str]]:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    _, closed, done = walk([str(tmp_path)], SourceOptions())
    assert isinstance(closed, Observation)
    assert closed.uri == f"{tmp_path}/closed"
    assert closed.error == "the folder cannot be listed: Permission denied"
    assert done == SourceDone(str(tmp_path), complete=False)


def test_a_store_is_never_walked_into(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "results/_hivescan.json", "results/files/x.parquet")
    assert seen(tmp_path) == ["a.jpg"]
    assert seen(tmp_path, f"{tmp_path}/**/*") == ["a.jpg"]
    with pytest.raises(SourceError, match="a store of results"):
        walk([str(tmp_path / "results")], SourceOptions())


def test_the_marker_of_a_store_is_the_one_that_stores_write() -> None:
    assert folder.STORE_MARKER == log.MARKER


def test_a_missing_source_is_refused_before_anything_is_walked(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    for missing in ("nowhere", "*.gif", "a.jpg/x"):
        with pytest.raises(SourceError, match=r"nowhere|no file or folder matches|Not a directory"):
            walk([str(tmp_path), str(tmp_path / missing)], SourceOptions())


def test_a_source_without_a_name_is_not_the_current_folder() -> None:
    with pytest.raises(SourceError, match="a source without a name"):
        walk([""], SourceOptions())


def test_globs_find_files_and_walk_the_folders_they_find(tmp_path: Path) -> None:
    make(tmp_path, "1/a.jpg", "1/b.png", "2/c.jpg", "2/x/d.jpg", ".h/e.jpg")
    assert seen(tmp_path, f"{tmp_path}/*/*.jpg") == ["1/a.jpg", "2/c.jpg"]
    assert seen(tmp_path, f"{tmp_path}/[12]") == ["1/a.jpg", "1/b.png", "2/c.jpg", "2/x/d.jpg"]
    assert seen(tmp_path, f"{tmp_path}/**/*.jpg") == ["1/a.jpg", "2/c.jpg", "2/x/d.jpg"]
    assert seen(tmp_path, f"{tmp_path}/**/*") == ["1/a.jpg", "1/b.png", "2/c.jpg", "2/x/d.jpg"]
    assert seen(tmp_path, f"{tmp_path}/.h/*") == [".h/e.jpg"]
    assert seen(tmp_path, f"{tmp_path}/**/*.jpg", exclude=("2/",)) == ["1/a.jpg"]


def test_a_name_with_wildcard_signs_that_exists_is_itself(tmp_path: Path) -> None:
    make(tmp_path, "a[1].jpg", "a1.jpg")
    assert seen(tmp_path, f"{tmp_path}/a[1].jpg") == ["a[1].jpg"]


@pytest.mark.parametrize("separator", [b"\n", b"\0", b"\r\n"])
def test_a_list_on_standard_input_names_files(tmp_path: Path, separator: bytes) -> None:
    make(tmp_path, "a.jpg", "b c.jpg", "d/e.jpg")
    names = [os.fsencode(tmp_path / name) for name in ("b c.jpg", "a.jpg", "d", "none.jpg")]
    entries = list(walk(["-"], SourceOptions(), stdin=io.BytesIO(separator.join([*names, b""]))))
    observed = [e for e in entries if isinstance(e, Observation)]
    assert [Path(e.uri).name for e in observed] == ["b c.jpg", "a.jpg", "d", "none.jpg"]
    assert [e.error for e in observed] == [
        None,
        None,
        "row 3: not a file but a folder",
        "row 4: no such file",
    ]
    assert [e.manifest_row for e in observed] == [1, 2, 3, 4]
    assert entries[-1] == SourceDone("-", complete=False)


def test_a_long_list_is_cut_between_names(tmp_path: Path) -> None:
    make(tmp_path, *(f"{i:05}.jpg" for i in range(300)))
    names = sorted(os.fsencode(p) for p in tmp_path.iterdir()) * 20
    found = seen(tmp_path, "-", stdin=b"\n".join(names))
    assert found == [os.fsdecode(n).rpartition("/")[2] for n in names]


@pytest.fixture
def bucket() -> Iterator[fsspec.AbstractFileSystem]:
    memory = fsspec.filesystem("memory")
    for name in ("b/a.jpg", "b/s/c.png", "b/s/.hidden", "b/store/_hivescan.json", "b/store/x"):
        memory.pipe(f"/{name}", name.encode())
    yield memory
    memory.rm("/b", recursive=True)


def test_a_folder_of_any_file_system_is_walked(bucket: fsspec.AbstractFileSystem) -> None:
    entries = list(walk(["memory://b"], SourceOptions()))
    assert [e.uri for e in entries[:-1] if isinstance(e, Observation)] == [
        "memory:///b/a.jpg",
        "memory:///b/s/c.png",
    ]
    assert isinstance(entries[0], Observation)
    assert entries[0].size == 7
    assert entries[0].mtime_ns is not None
    assert entries[-1] == SourceDone("memory://b", complete=True)


def test_remote_files_wildcards_and_lists_are_found(bucket: fsspec.AbstractFileSystem) -> None:
    assert seen("memory:///b", "memory://b/a.jpg") == ["a.jpg"]
    assert seen("memory:///b", "memory://b/**/*.png") == ["s/c.png"]
    listed = seen("memory:///b", "-", stdin=b"memory:///b/s/c.png\nmemory:///b/none\nmemory:///b/a.jpg")
    assert listed == ["s/c.png", "none!", "a.jpg"]
    for missing in ("memory://b/none.jpg", "nonsense://x"):
        with pytest.raises(SourceError, match=missing):
            walk([missing], SourceOptions())
    with pytest.raises(SourceError, match="a store of results"):
        walk(["memory://b/store"], SourceOptions())


def test_what_other_options_left_out_is_not_called_gone() -> None:
    every, jpeg = SourceOptions(), SourceOptions(include=("*.jpg",), recursive=False)
    assert covers("/m", "/m/a/b.png", every)
    assert not covers("/m", "/m/a/b.png", SourceOptions(exclude=("a/",)))
    assert not covers("/m", "/m/a/b.jpg", jpeg)
    assert covers("/m", "/m/b.jpg", jpeg)
    assert not covers("/m", "/m/.b.jpg", every)
    assert not covers("/m", "/n/b.jpg", every)
    assert covers("/m", "file:///m/caf%E9.jpg", every)
    assert covers("/m/*/x*", "/m/1/x.jpg", every)
    assert covers("s3://b/p", "s3://b/p/q/r.jpg", every)
    assert covers("@/lists/m.csv", "/anywhere.jpg", jpeg)
