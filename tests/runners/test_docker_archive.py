"""Archives of images: found by content, loaded without a name."""

import hashlib
import io
import json
import random
import tarfile
import zlib
from pathlib import Path

import pytest

from medperf.domain.errors import ContainerConfigError, MalformedFileError
from medperf.runners.docker_archive import read_archive, write_untagged

CONFIG = json.dumps({"os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
CONFIG_ID = hashlib.sha256(CONFIG).hexdigest()


def write(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def docker_save(images: int = 1) -> dict[str, bytes]:
    manifest = [{"Config": "c.json", "RepoTags": ["org/name:1"], "Layers": ["l.tar"]}] * images
    return {
        "c.json": CONFIG,
        "l.tar": b"layer",
        "manifest.json": json.dumps(manifest).encode(),
        "repositories": b"{}",
    }


def oci() -> dict[str, bytes]:
    def blob(content: bytes) -> dict[str, str]:
        return {"digest": "sha256:" + hashlib.sha256(content).hexdigest()}

    def path(content: bytes) -> str:
        return "blobs/sha256/" + hashlib.sha256(content).hexdigest()

    manifest = json.dumps({"config": blob(CONFIG), "layers": [blob(b"layer")]}).encode()
    index = json.dumps({"manifests": [blob(manifest)]}).encode()
    outer = json.dumps({"manifests": [blob(index)]}).encode()
    return {
        "oci-layout": b"{}",
        "index.json": outer,
        path(index): index,
        path(manifest): manifest,
        path(CONFIG): CONFIG,
        path(b"layer"): b"layer",
    }


def test_a_config_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    files = docker_save() | {"c.json": b"{" + b" " * (8 * 1024 * 1024)}
    with pytest.raises(MalformedFileError, match=r"c\.json is larger"):
        read_archive(write(tmp_path / "a.tar", files))


def test_a_compressed_archive_that_was_damaged_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar", docker_save() | {"c.json": random.Random(1).randbytes(4096)})
    damaged = bytearray(zlib.compress(path.read_bytes(), wbits=31))
    damaged[60] ^= 255
    path.write_bytes(damaged)
    with pytest.raises(MalformedFileError):
        read_archive(path)


@pytest.mark.parametrize("files", [docker_save(), oci()])
def test_an_image_is_named_by_its_config(tmp_path: Path, files: dict[str, bytes]) -> None:
    assert read_archive(write(tmp_path / "a.tar", files)).image_id == f"sha256:{CONFIG_ID}"


@pytest.mark.parametrize("files", [docker_save(), oci()])
def test_what_is_loaded_has_the_same_blobs_and_no_name(tmp_path: Path, files) -> None:
    image = read_archive(write(tmp_path / "a.tar", files))
    with (tmp_path / "b.tar").open("wb") as stream:
        write_untagged(image, stream)
    with tarfile.open(tmp_path / "b.tar") as archive:
        content = {name: archive.extractfile(name).read() for name in archive.getnames()}
    (entry,) = json.loads(content["manifest.json"])
    assert entry["RepoTags"] is None
    assert content[entry["Config"]] == CONFIG
    assert [content[layer] for layer in entry["Layers"]] == [b"layer"]
    assert not {"repositories", "index.json"} & set(content)


@pytest.mark.parametrize("images", [0, 2])
def test_an_archive_holds_exactly_one_image(tmp_path: Path, images: int) -> None:
    with pytest.raises(ContainerConfigError, match=f"holds {images} images"):
        read_archive(write(tmp_path / "a.tar", docker_save(images)))


@pytest.mark.parametrize(
    "files",
    [
        {"a": b"b"},
        {"manifest.json": b"no json"},
        {"manifest.json": b'[{"Layers": []}]'},
        {"manifest.json": b'[{"Config": "missing", "Layers": []}]'},
        {"index.json": b"[]"},
    ],
)
def test_what_is_no_image_is_said_to_be_none(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(MalformedFileError):
        read_archive(write(tmp_path / "a.tar", files))


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"no archive at all")
    with pytest.raises(MalformedFileError, match="not a Docker or OCI archive") as caught:
        read_archive(tmp_path / "a.tar")
    assert "docker save" in caught.value.advice
