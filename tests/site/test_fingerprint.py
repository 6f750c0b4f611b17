"""The fingerprint: what changes it, what does not, what is read, and what is refused."""

import os
import shutil
import socket
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from medperf.domain.clock import system_clock
from medperf.domain.errors import (
    CancelledError,
    EmptyInputError,
    FileChangedError,
    FingerprintMismatchError,
    InvalidRequestError,
    IrregularFileError,
    MedPerfError,
    UnreadableFileError,
)
from medperf.site import fingerprint as module
from medperf.site.fingerprint import combine, fingerprint, verify_fingerprint
from medperf.site.fingerprint_cache import FingerprintCache


@pytest.fixture
def roots(tmp_path):
    found = {"data": tmp_path / "data", "labels": tmp_path / "labels"}
    for root in found.values():
        (root / "deep").mkdir(parents=True)
        (root / "a.txt").write_text(f"{root.name} a")
        (root / "deep" / "b.txt").write_text(f"{root.name} b")
    return found


@pytest.fixture
def cache(tmp_path):
    # An hour ahead, so that files written just now are not too young to be remembered.
    return FingerprintCache(
        tmp_path / "site" / "files.db", lambda: system_clock() + timedelta(hours=1)
    )


def test_follows_the_documented_byte_layout(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x").write_bytes(b"hello")
    expected = blake3(
        b"medperf.fingerprint/v1\n"
        b"\x04\0\0\0data\x01\0\0\0x\x05\0\0\0\0\0\0\0" + blake3(b"hello").digest()
    )
    assert fingerprint({"data": tmp_path / "data"}).digest == "blake3:" + expected.hexdigest()


def test_example_in_the_reference_finds_the_same(roots, tmp_path, monkeypatch, capsys):
    text = (Path(__file__).parents[2] / "docs/reference/fingerprint.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    for root in roots.values():
        shutil.copytree(root, tmp_path / "prepared" / root.name)
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert capsys.readouterr().out.strip() == fingerprint(roots).digest


def test_copy_elsewhere_has_the_same_fingerprint(roots, tmp_path):
    copies = {name: shutil.copytree(root, tmp_path / "copy" / name) for name, root in roots.items()}
    assert fingerprint(copies).digest == fingerprint(roots).digest


def test_order_of_roots_and_number_of_threads_do_not_matter(roots):
    backwards = dict(reversed(roots.items()))
    assert fingerprint(backwards, threads=1).digest == fingerprint(roots, threads=5).digest


def test_times_permissions_and_empty_folders_do_not_take_part(roots):
    before = fingerprint(roots).digest
    os.utime(roots["data"] / "a.txt", (1, 1))
    (roots["data"] / "a.txt").chmod(0o600)
    (roots["data"] / "empty").mkdir()
    assert fingerprint(roots).digest == before


def rename(roots):
    (roots["data"] / "a.txt").rename(roots["data"] / "c.txt")


def swap_labels(roots):
    one, two = roots["labels"] / "a.txt", roots["labels"] / "deep" / "b.txt"
    text_one, text_two = one.read_text(), two.read_text()
    one.write_text(text_two)
    two.write_text(text_one)


def move_to_labels(roots):
    (roots["data"] / "a.txt").rename(roots["labels"] / "z.txt")


def move_up(roots):
    (roots["data"] / "deep" / "b.txt").rename(roots["data"] / "b.txt")


def change_one_byte(roots):
    (roots["data"] / "a.txt").write_text("data A")


def add_empty_file(roots):
    (roots["data"] / "none").touch()


def remove(roots):
    (roots["data"] / "a.txt").unlink()


@pytest.mark.parametrize(
    "change",
    [rename, swap_labels, move_to_labels, move_up, change_one_byte, add_empty_file, remove],
)
@pytest.mark.parametrize("cached", [False, True])
def test_changes_with(roots, cache, change, cached):
    before = fingerprint(roots, cache=cache if cached else None).digest
    change(roots)
    with pytest.raises(FingerprintMismatchError, match=before):
        verify_fingerprint(before, roots, cache=cache if cached else None)


def test_swapping_whole_roots_changes_it(roots):
    swapped = {"data": roots["labels"], "labels": roots["data"]}
    assert fingerprint(swapped).digest != fingerprint(roots).digest


def test_root_can_be_one_file(tmp_path):
    (tmp_path / "table.csv").write_text("x")
    (tmp_path / "again.csv").write_text("x")
    first = fingerprint({"data": tmp_path / "table.csv"})
    assert first.digest == fingerprint({"data": tmp_path / "again.csv"}).digest
    assert first.n_files == 1


def test_names_that_are_not_unicode_are_names(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / os.fsdecode(b"\xff")).write_bytes(b"x")
    assert fingerprint({"data": tmp_path / "data"}).n_files == 1


def test_large_files_use_all_threads_and_give_the_same_digest(roots, monkeypatch):
    before = fingerprint(roots).digest
    monkeypatch.setattr(module, "LARGE_BYTES", 1)
    assert fingerprint(roots, threads=2).digest == before


_entries = st.lists(
    st.tuples(
        st.sampled_from(["data", "labels", "dat"]),
        st.binary(max_size=4),
        st.integers(0, 2**40),
        st.binary(min_size=32, max_size=32),
    ),
    max_size=4,
)


@given(one=_entries, two=_entries)
def test_different_contents_never_share_a_fingerprint(one, two):
    assert (combine(one) == combine(two)) == (one == two)


# --- the cache ---


def test_unchanged_files_are_not_read_twice(roots, cache):
    first = fingerprint(roots, cache=cache)
    again = fingerprint(roots, cache=cache)
    assert (first.n_read, again.n_read) == (4, 0)
    assert again.digest == first.digest


def test_only_the_touched_file_is_read_again(roots, cache):
    fingerprint(roots, cache=cache)
    (roots["data"] / "a.txt").touch()
    assert fingerprint(roots, cache=cache).n_read == 1


def test_same_size_and_set_back_time_do_not_hide_a_change(roots, cache):
    file = roots["data"] / "a.txt"
    before, facts = fingerprint(roots, cache=cache), file.stat()
    file.write_text("data X")
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert fingerprint(roots, cache=cache).digest != before.digest


def test_recently_written_files_are_read_again(roots, tmp_path):
    cache = FingerprintCache(tmp_path / "files.db")
    fingerprint(roots, cache=cache)
    assert fingerprint(roots, cache=cache).n_read == 4


def test_vanished_files_are_forgotten(roots, cache):
    fingerprint(roots, cache=cache)
    file = roots["data"] / "a.txt"
    file.rename(file.with_name("aside"))
    fingerprint(roots, cache=cache)
    assert set(cache.load(os.fsencode(roots["data"]))) == {b"aside", b"deep/b.txt"}


def test_damaged_cache_starts_again(roots, tmp_path, cache):
    before = fingerprint(roots, cache=cache).digest
    (tmp_path / "site" / "files.db").write_bytes(b"this is no database, not even nearly one" * 99)
    found = fingerprint(roots, cache=cache)
    assert (found.digest, found.n_read) == (before, 4)
    assert fingerprint(roots, cache=cache).n_read == 0


def test_a_cache_that_cannot_be_used_now_is_said_to_be_so(roots, cache, monkeypatch):
    def locked(*_args, **_options):
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(sqlite3, "connect", locked)
    with pytest.raises(MedPerfError, match=r"files\.db cannot be used: database is locked"):
        fingerprint(roots, cache=cache)


def test_cache_is_for_its_owner_only(roots, tmp_path, cache):
    fingerprint(roots, cache=cache)
    assert (tmp_path / "site" / "files.db").stat().st_mode & 0o777 == 0o600


# --- what is refused ---


def test_no_root_is_refused():
    with pytest.raises(InvalidRequestError):
        fingerprint({})


def test_missing_root_is_named(roots, tmp_path):
    with pytest.raises(EmptyInputError, match="metadata folder does not exist"):
        fingerprint({**roots, "metadata": tmp_path / "nowhere"})


def test_folder_of_empty_folders_is_refused(tmp_path):
    (tmp_path / "data" / "empty").mkdir(parents=True)
    with pytest.raises(EmptyInputError, match="holds no file"):
        fingerprint({"data": tmp_path / "data"})


def link_file(at):
    at.symlink_to("a.txt")


def link_folder(at):
    at.symlink_to("deep")


def pipe(at):
    os.mkfifo(at)


def listen(at):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(at))


@pytest.mark.parametrize(
    ("make", "kind"),
    [(link_file, "link"), (link_folder, "link"), (pipe, "pipe"), (listen, "socket")],
)
def test_anything_but_files_and_folders_is_refused(roots, monkeypatch, make, kind):
    monkeypatch.chdir(roots["data"])  # a socket's path may not be long
    make(Path("odd"))
    with pytest.raises(IrregularFileError, match=f"data/odd is a {kind}"):
        fingerprint(roots)


def test_unreadable_file_is_named(roots, monkeypatch):
    def refuse(place, flags):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module.os, "open", refuse)
    with pytest.raises(UnreadableFileError, match=r"txt cannot be read: Permission denied"):
        fingerprint(roots)


@pytest.mark.parametrize("text", ["longer than before", "", "data !"])
def test_file_that_changes_while_it_is_read_is_refused(roots, text):
    file = roots["data"] / "a.txt"

    def write(done, total):
        if file.read_text() != text:
            file.write_text(text)

    with pytest.raises(FileChangedError, match=r"data/a\.txt changed"):
        fingerprint(roots, threads=1, progress=write)


def test_file_that_vanishes_is_refused(roots):
    with pytest.raises(FileChangedError, match=r"data/a\.txt vanished"):
        fingerprint(
            roots, threads=1, progress=lambda *_: (roots["data"] / "a.txt").unlink(missing_ok=True)
        )


def test_progress_ends_with_everything(roots):
    seen = []
    found = fingerprint(roots, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (found.size_bytes, found.size_bytes)
    assert seen == sorted(seen)


def test_can_be_stopped(roots, cache):
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        fingerprint(roots, cache=cache, cancel=cancel)
    assert fingerprint(roots, cache=cache).n_read == 4


def test_clock_of_the_cache_is_the_one_it_was_given(tmp_path):
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    cache = FingerprintCache(tmp_path / "c", lambda: moment)
    assert cache.now_ns() == int(moment.timestamp() * 1e9)
