"""What is fetched from a package index is what was pinned, and is only unpacked."""

import hashlib
import io
import tarfile
import zipfile

import pytest

from examples.staging.fetch import NotFetchedError, PinnedPackage, fetch, is_fetched, unpack


def archive(path):
    with tarfile.open(path, "w:gz") as tar:
        for name, text in (("thing-1.0/data/a.txt", b"A"), ("thing-1.0/setup.py", b"1/0")):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
    return path


def pinned(path):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return PinnedPackage("thing", path.name, digest, "MIT")


def test_what_was_fetched_before_is_checked_and_not_fetched_again(tmp_path):
    path = archive(tmp_path / "thing-1.0.tar.gz")
    assert is_fetched(pinned(path), tmp_path)
    assert fetch(pinned(path), tmp_path) == path


def test_other_bytes_than_pinned_are_refused(tmp_path):
    path = archive(tmp_path / "thing-1.0.tar.gz")
    package = pinned(path)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(NotFetchedError, match=r"is not the pinned thing-1\.0"):
        fetch(package, tmp_path)


def test_only_the_named_members_are_unpacked(tmp_path):
    found = unpack(archive(tmp_path / "t.tar.gz"), ["data/a.txt"], tmp_path / "out")
    assert [path.read_text() for path in found] == ["A"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.txt"]


def test_a_missing_member_is_named(tmp_path):
    with pytest.raises(NotFetchedError, match=r"holds no data/b\.txt"):
        unpack(archive(tmp_path / "t.tar.gz"), ["data/b.txt"], tmp_path)


def test_a_wheel_is_read_the_same_way(tmp_path):
    path = tmp_path / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("thing/data.csv", "a,b\n")
    (found,) = unpack(path, ["thing/data.csv"], tmp_path / "out")
    assert found.read_text() == "a,b\n"
    with pytest.raises(NotFetchedError, match="holds no thing/other"):
        unpack(path, ["thing/other.csv"], tmp_path)
