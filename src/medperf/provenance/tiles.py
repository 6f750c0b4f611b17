"""C2SP tlog-tiles: the log as a finite set of files that never change once they are full.

https://c2sp.org/tlog-tiles. A tile holds up to 256 neighboring hashes of one level; a bundle of
entries holds the leaves under a tile of level 0. Static files, so any mirror can serve the log.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from medperf.domain.errors import InvalidRequestError, MalformedFileError, NotFoundError
from medperf.provenance.merkle import NodeStore

WIDTH = 256
MAX_ENTRY_BYTES = 0xFFFF
_HEIGHT = 8
_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-5]?[0-9]|6[0-3])/"
    r"(?P<index>(?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class Tile:
    """The address of a tile, or of the bundle of entries under a tile of level 0.

    Attributes:
        level: 0 for leaf hashes, one more for every 8 levels of the tree.
        index: counted from the left.
        width: how many hashes or entries it holds, 1 to 256.
        holds_entries: whether it is a bundle of entries; the level is 0 then.
    """

    level: int
    index: int
    width: int = WIDTH
    holds_entries: bool = False

    @classmethod
    def from_path(cls, path: str) -> Self:
        """Read a path such as ``tile/0/x001/234.p/17``, in its one spelling.

        Raises:
            NotFoundError: if no tile has this path.
        """
        match = _PATH.fullmatch(path)
        if match is not None:
            level = match["level"]
            tile = cls(
                level=0 if level == "entries" else int(level),
                index=int(match["index"].replace("x", "").replace("/", "")),
                width=int(match["width"] or WIDTH),
                holds_entries=level == "entries",
            )
            if tile.path == path:
                return tile
        raise NotFoundError(f"no tile has the path {path[:80]!r}")

    @property
    def path(self) -> str:
        """Where it is served, under the log's prefix."""
        last, groups = f"{self.index % 1000:03}", []
        rest = self.index // 1000
        while rest:
            groups.append(f"x{rest % 1000:03}")
            rest //= 1000
        name = "/".join((*reversed(groups), last))
        level = "entries" if self.holds_entries else str(self.level)
        return f"tile/{level}/{name}" + ("" if self.width == WIDTH else f".p/{self.width}")

    @property
    def first(self) -> int:
        """The index, on the tile's level, of its first hash or entry."""
        return self.index * WIDTH

    def require_in(self, size: int) -> None:
        """Answer if a log of this size has all of the tile.

        Raises:
            NotFoundError: if the log is shorter.
        """
        if self.first + self.width > size >> (_HEIGHT * self.level):
            raise NotFoundError(f"the log of {size} leaves does not have {self.path} yet")


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile of hashes that a log of this size consists of, full and partial."""
    level = 0
    while count := size >> (_HEIGHT * level):
        for index in range(count // WIDTH):
            yield Tile(level, index)
        if count % WIDTH:
            yield Tile(level, count // WIDTH, count % WIDTH)
        level += 1


def tile_bytes(nodes: NodeStore, size: int, tile: Tile) -> bytes:
    """The content of a tile of hashes.

    Raises:
        NotFoundError: if a log of this size does not have it.
    """
    tile.require_in(size)
    places = range(tile.first, tile.first + tile.width)
    return b"".join(nodes.get(_HEIGHT * tile.level, place) for place in places)


def write_entries(entries: Sequence[bytes]) -> bytes:
    """The content of a bundle of entries.

    Raises:
        InvalidRequestError: if an entry is longer than the format can hold.
    """
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise InvalidRequestError(
                f"a log entry has at most {MAX_ENTRY_BYTES} bytes, this one {len(entry)}"
            )
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def read_entries(data: bytes) -> list[bytes]:
    """The entries of a bundle.

    Raises:
        MalformedFileError: if the bundle ends within an entry.
    """
    entries: list[bytes] = []
    position = 0
    while position < len(data):
        start = position + 2
        position = start + int.from_bytes(data[start - 2 : start], "big")
        if start > len(data) or position > len(data):
            raise MalformedFileError("the bundle of entries ends within an entry")
        entries.append(data[start:position])
    return entries
