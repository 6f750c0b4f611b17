"""Read a ``docker save`` or OCI archive: its image's id, and a copy that names no tag.

Loading somebody's archive as it is would move local tags to their image. The stream made here
holds the same blobs and no name, so loading it changes nothing but adds the image.
"""

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from medperf.domain.errors import ContainerConfigError, MalformedFileError
from medperf.runners.archives import DAMAGED

_MAX_JSON = 8 * 1024 * 1024
_NAMING = frozenset({"manifest.json", "repositories", "index.json", "oci-layout"})


@dataclass(frozen=True, slots=True)
class ArchivedImage:
    """The one image of an archive."""

    path: Path
    image_id: str
    """``sha256:...`` of the image's config, which names every layer by digest."""
    config: str
    layers: tuple[str, ...]


def read_archive(path: Path) -> ArchivedImage:
    """Find the image in an archive and compute its id from its bytes.

    Raises:
        MalformedFileError: it is not such an archive, or it is damaged.
        ContainerConfigError: it holds no image, or more than one.
    """
    try:
        with tarfile.open(path) as tar:
            config, layers = _find(tar)
            content = _content(tar, config)
    except (*DAMAGED, KeyError, ValueError, TypeError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise MalformedFileError(
            f"{path.name} is not a Docker or OCI archive: {reason}",
            hint="Write it with 'docker save' or 'skopeo copy ... oci-archive:'.",
        ) from error
    image_id = "sha256:" + hashlib.sha256(content).hexdigest()
    return ArchivedImage(path, image_id, config, tuple(layers))


def write_untagged(image: ArchivedImage, stream: IO[bytes]) -> None:
    """Write the image as a ``docker save`` stream without any name, ready for ``load``."""
    manifest = [{"Config": image.config, "RepoTags": None, "Layers": list(image.layers)}]
    with (
        tarfile.open(image.path) as source,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as target,
    ):
        for entry in source:
            if _clean(entry.name) in _NAMING:
                continue
            entry.name = _clean(entry.name)
            target.addfile(entry, source.extractfile(entry) if entry.isreg() else None)
        text = json.dumps(manifest).encode()
        added = tarfile.TarInfo("manifest.json")
        added.size = len(text)
        target.addfile(added, io.BytesIO(text))


def _find(tar: tarfile.TarFile) -> tuple[str, list[str]]:
    names = {_clean(name) for name in tar.getnames()}
    if "manifest.json" in names:
        manifest = _only(_json(tar, "manifest.json"))
        return str(manifest["Config"]), [str(layer) for layer in manifest["Layers"]]
    index = _json(tar, "index.json")
    descriptor = _only(index["manifests"])
    manifest = _json(tar, _blob(descriptor))
    if "manifests" in manifest:  # an index of platforms
        manifest = _json(tar, _blob(_only(manifest["manifests"])))
    return _blob(manifest["config"]), [_blob(layer) for layer in manifest["layers"]]


def _only(found: list[Any]) -> Any:
    if len(found) != 1:
        raise ContainerConfigError(
            f"the archive holds {len(found)} images", hint="Save exactly one image in it."
        )
    return found[0]


def _blob(descriptor: Any) -> str:
    algorithm, _, digest = str(descriptor["digest"]).partition(":")
    return f"blobs/{algorithm}/{digest}"


def _json(tar: tarfile.TarFile, name: str) -> Any:
    return json.loads(_content(tar, name))


def _content(tar: tarfile.TarFile, name: str) -> bytes:
    """What a small file of the archive holds: a stranger may have written a huge one."""
    content: bytes = _member(tar, name).read(_MAX_JSON + 1)
    if len(content) > _MAX_JSON:
        raise ValueError(f"{name} is larger than {_MAX_JSON} bytes")
    return content


def _member(tar: tarfile.TarFile, name: str) -> Any:
    for candidate in (name, f"./{name}"):
        try:
            stream = tar.extractfile(candidate)
        except KeyError:
            continue
        if stream is not None:
            return stream
    raise KeyError(f"{name} is missing")


def _clean(name: str) -> str:
    return name.removeprefix("./")
