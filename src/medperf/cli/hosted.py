"""Files that somebody hosts: an address or a local path, and the digest of the bytes there."""

from pathlib import Path
from tempfile import TemporaryDirectory

from medperf.cli.progress import waiting
from medperf.domain.errors import DigestMismatchError, EmptyInputError
from medperf.runners.archives import digest_of, pack


def is_address(place: str) -> bool:
    """Whether ``place`` is fetched over the network rather than a path of this machine."""
    return place.removeprefix("direct:").startswith(("https://", "http://"))


def address_of(place: str, *, beside: Path | None = None) -> str:
    """``place`` as it is registered: an address as it is, a path from the root.

    Args:
        place: an address or a path.
        beside: the folder that relative paths start from; the working folder if None.

    Raises:
        EmptyInputError: there is nothing at the path.
    """
    if is_address(place):
        return place
    path = ((beside or Path()) / Path(place).expanduser()).resolve()
    if not path.exists():
        raise EmptyInputError(f"there is nothing at {path}")
    return str(path)


def digest_at(address: str, promised: str | None = None) -> str:
    """The sha256 of the file there; of a local folder, that of its packed form.

    Raises:
        DigestMismatchError: it is not the promised one.
        DownloadError: it cannot be fetched.
    """
    with TemporaryDirectory(prefix="medperf-") as scratch:
        found = _digest(address, Path(scratch, "file"))
    if promised is not None and found != promised:
        raise DigestMismatchError(f"{address} delivers {found}, promised was {promised}")
    return found


def _digest(address: str, scratch: Path) -> str:
    if is_address(address):
        fetch(address, scratch)
        return digest_of(scratch)
    path = Path(address)
    with waiting(f"Reading {path.name}"):
        return pack(path, scratch) if path.is_dir() else digest_of(path)


def fetch(address: str, target: Path) -> None:
    """Download an address to ``target``."""
    from medperf.client.downloads import Downloader

    downloader = Downloader()
    try:
        with waiting(f"Downloading {address}"):
            downloader.fetch(address.removeprefix("direct:"), target, guard=lambda _: None)
    finally:
        downloader.close()
