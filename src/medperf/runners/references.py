"""Names of images in registries: ``name[:tag][@digest]``."""

from collections.abc import Mapping
from typing import Any

from medperf.domain.errors import InvalidRequestError
from medperf.domain.identifiers import is_digest


def split_reference(reference: str) -> tuple[str, str | None]:
    """Split ``name[:tag][@digest]`` into the name without its tag, and the digest."""
    name, _, digest = reference.partition("@")
    if digest and not is_digest(digest):
        raise InvalidRequestError(f"{reference!r} does not end in a digest")
    head, colon, tail = name.rpartition(":")
    return (head if colon and "/" not in tail else name), digest or None


def registry_digest(found: Mapping[str, Any], name: str) -> str | None:
    """The digest under which a registry knows an inspected image, if one does."""
    known = [str(entry).partition("@") for entry in found.get("RepoDigests") or ()]
    for repository, _, digest in known:
        if repository == name or repository.endswith("/" + name):
            return digest
    return None


def as_digest(image_id: str) -> str:
    """An image id as the platform writes digests; Podman leaves the algorithm out."""
    return image_id if image_id.startswith("sha256:") else f"sha256:{image_id}"
