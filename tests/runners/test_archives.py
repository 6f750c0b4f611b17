"""Packing is deterministic, unpacking is safe."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medperf.domain.errors import EmptyInputError, MalformedFileError, UnsafeArchiveError
from medperf.runners.archives import Bounds, digest_of, pack, unpack

NAMES = st.text(alphabet="abcXYZ0._- é", min_size=1, max_size=8).filter(
    lambda n: n.strip(". ") != ""
)


def tar(path: Path, *entries: tuple[str, bytes, bytes | str]) -> Path:
    """Write entries of (name, type, content or link target)."""
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, content in entries:
            entry = tarfile.TarInfo(name)
            entry.type = kind
            if isinstance(content, str):
                entry.linkname = content
                archive.addfile(entry)
            else:
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@given(files=st.dictionaries(NAMES, st.binary(max_size=50), min_size=1, max_size=5))
def test_what_is_packed_is_what_is_unpacked(tmp_path_factory, files: dict[str, bytes]) -> None:
    folder = tmp_path_factory.mktemp("packed")
    (folder / "in").mkdir()
    for name, content in files.items():
        (folder / "in" / name).write_bytes(content)
    digest = pack(folder / "in", folder / "archive.tar.gz")
    unpack(folder / "archive.tar.gz", folder / "out")
    assert tree(folder / "out") == tree(folder / "in") == files
    assert digest == digest_of(folder / "archive.tar.gz")


def test_a_digest_depends_on_names_and_bytes_only(tmp_path: Path) -> None:
    digests = []
    for number, order in enumerate((("a", "b"), ("b", "a"))):
        folder = tmp_path / str(number)
        (folder / "deep").mkdir(parents=True)
        for name in order:
            (folder / "deep" / name).write_text(name)
            os.utime(folder / "deep" / name, (number, number))
            (folder / "deep" / name).chmod(0o600 if number else 0o664)
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__" / "a.pyc").write_bytes(bytes([number]))
        digests.append(pack(folder, tmp_path / f"{number}.tar.gz"))
    assert digests[0] == digests[1]


def test_programs_stay_programs(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "run.sh").touch(mode=0o755)
    pack(tmp_path / "in", tmp_path / "archive")
    unpack(tmp_path / "archive", tmp_path / "out")
    assert (tmp_path / "out" / "run.sh").stat().st_mode & 0o100


def test_a_folder_without_files_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "in" / "empty").mkdir(parents=True)
    with pytest.raises(EmptyInputError):
        pack(tmp_path / "in", tmp_path / "archive")


def test_a_link_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to("/etc/passwd")
    with pytest.raises(UnsafeArchiveError):
        pack(tmp_path / "in", tmp_path / "archive")


@pytest.mark.parametrize(
    "entry",
    [
        ("../outside", tarfile.REGTYPE, b"x"),
        ("a/../../outside", tarfile.REGTYPE, b"x"),
        ("/absolute", tarfile.REGTYPE, b"x"),
        ("back\\slash", tarfile.REGTYPE, b"x"),
        ("link", tarfile.SYMTYPE, "/etc"),
        ("link", tarfile.SYMTYPE, "inside"),
        ("link", tarfile.LNKTYPE, "/etc/passwd"),
        ("device", tarfile.CHRTYPE, b""),
        ("pipe", tarfile.FIFOTYPE, b""),
    ],
)
def test_an_entry_that_could_leave_the_folder_is_refused(tmp_path: Path, entry) -> None:
    archive = tar(tmp_path / "archive", ("good", tarfile.REGTYPE, b"x"), entry)
    with pytest.raises(UnsafeArchiveError):
        unpack(archive, tmp_path / "deep" / "out")
    assert not (tmp_path / "deep" / "out").exists()
    assert not (tmp_path / "outside").exists()


def test_a_name_that_comes_twice_is_refused(tmp_path: Path) -> None:
    archive = tar(tmp_path / "archive", ("a", tarfile.REGTYPE, b"1"), ("a", tarfile.REGTYPE, b"2"))
    with pytest.raises(UnsafeArchiveError, match="twice"):
        unpack(archive, tmp_path / "out")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    archive = tar(tmp_path / "archive", ("a", tarfile.REGTYPE, bytes(1_000_000)))
    assert archive.stat().st_size < 10_000
    with pytest.raises(UnsafeArchiveError, match="more than it may"):
        unpack(archive, tmp_path / "out", Bounds(size_bytes=100_000))


def test_an_archive_that_nests_too_deeply_is_refused(tmp_path: Path) -> None:
    archive = tar(tmp_path / "archive", ("d/" * 101, tarfile.DIRTYPE, b""))
    with pytest.raises(UnsafeArchiveError, match="nests"):
        unpack(archive, tmp_path / "out")


def test_an_archive_with_too_many_entries_is_refused(tmp_path: Path) -> None:
    entries = [(f"{number}", tarfile.DIRTYPE, b"") for number in range(11)]
    with pytest.raises(UnsafeArchiveError, match="entries"):
        unpack(tar(tmp_path / "archive", *entries), tmp_path / "out", Bounds(entries=10))


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08 damaged"])
def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "archive").write_bytes(content)
    with pytest.raises(MalformedFileError):
        unpack(tmp_path / "archive", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    archive = tar(tmp_path / "archive", ("a", tarfile.REGTYPE, os.urandom(50_000)))
    archive.write_bytes(archive.read_bytes()[:20_000])
    with pytest.raises(MalformedFileError):
        unpack(archive, tmp_path / "out")


def test_a_locked_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        archive.writestr("a", "content")
    content = (tmp_path / "archive").read_bytes()
    is_locked = 1
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.index(header) + flags
        content = content[:place] + bytes([is_locked]) + content[place + 1 :]
    (tmp_path / "archive").write_bytes(content)
    with pytest.raises(MalformedFileError, match="encrypted"):
        unpack(tmp_path / "archive", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_zip_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        archive.writestr("deep/", "")
        archive.writestr("deep/a", "text")
    unpack(tmp_path / "archive", tmp_path / "out")
    assert tree(tmp_path / "out") == {"deep/a": b"text"}


@pytest.mark.parametrize(("name", "mode"), [("../a", 0o100644), ("link", 0o120777)])
def test_a_zip_cannot_leave_the_folder_either(tmp_path: Path, name: str, mode: int) -> None:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(UnsafeArchiveError):
        unpack(tmp_path / "archive", tmp_path / "out")
