import pytest
from hypothesis import given
from hypothesis import strategies as st

from medperf.domain.errors import InvalidRequestError, MalformedFileError, NotFoundError
from medperf.provenance.merkle import MemoryNodes, Tree, leaf_hash, root_of
from medperf.provenance.tiles import Tile, read_entries, tile_bytes, tiles_of, write_entries

SIZE = 600
LEAVES = [leaf_hash(str(number).encode()) for number in range(SIZE)]


@pytest.fixture(scope="module")
def nodes():
    stored = MemoryNodes()
    tree = Tree(stored)
    for leaf in LEAVES:
        tree.append(leaf)
    return stored


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        # c2sp.org/tlog-tiles: index 1234067 is x001/x234/067.
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(0, 0), "tile/0/000"),
        (Tile(1, 999, 255), "tile/1/999.p/255"),
        (Tile(63, 1000, 1), "tile/63/x001/000.p/1"),
        (Tile(0, 273, 112, holds_entries=True), "tile/entries/273.p/112"),
    ],
)
def test_paths_are_those_of_the_specification(tile, path):
    assert tile.path == path
    assert Tile.from_path(path) == tile


@given(st.integers(0, 63), st.integers(0, 10**15), st.integers(1, 256), st.booleans())
def test_every_path_reads_back(level, index, width, holds_entries):
    tile = Tile(0 if holds_entries else level, index, width, holds_entries)
    assert Tile.from_path(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/entries/000/",
        "tile/0/../000",
        "tile/0/000\n",
        "tile/0/\N{ARABIC-INDIC DIGIT ZERO}00",
    ],
)
def test_other_paths_are_not_found(path):
    with pytest.raises(NotFoundError):
        Tile.from_path(path)


def test_a_log_of_70000_leaves_has_the_tiles_of_the_specification():
    tiles = list(tiles_of(70_000))
    full = [tile.level for tile in tiles if tile.width == 256]
    partial = [(tile.level, tile.width) for tile in tiles if tile.width < 256]
    assert (full.count(0), full.count(1), full.count(2)) == (273, 1, 0)
    assert partial == [(0, 112), (1, 17), (2, 1)]


def test_a_log_of_256_leaves_has_a_full_tile_and_one_above():
    assert [tile.path for tile in tiles_of(256)] == ["tile/0/000", "tile/1/000.p/1"]


def test_an_empty_log_has_no_tiles():
    assert list(tiles_of(0)) == []


def test_tiles_of_level_0_hold_the_leaves(nodes):
    data = b"".join(tile_bytes(nodes, SIZE, tile) for tile in tiles_of(SIZE) if tile.level == 0)
    assert data == b"".join(LEAVES)


def test_a_hash_of_level_1_is_the_root_of_a_full_tile_below(nodes):
    data = tile_bytes(nodes, SIZE, Tile(1, 0, 2))
    assert data == root_of(LEAVES[:256]) + root_of(LEAVES[256:512])


@pytest.mark.parametrize(
    "tile", [Tile(0, 2), Tile(0, 2, 89), Tile(0, 3, 1), Tile(1, 0, 3), Tile(2, 0, 1)]
)
def test_what_a_log_does_not_have_yet_is_not_found(nodes, tile):
    with pytest.raises(NotFoundError, match="600"):
        tile_bytes(nodes, SIZE, tile)


def test_a_smaller_partial_tile_is_still_served(nodes):
    assert tile_bytes(nodes, SIZE, Tile(0, 2, 3)) == b"".join(LEAVES[512:515])


@given(st.lists(st.binary(max_size=300)))
def test_bundles_of_entries_read_back(entries):
    assert read_entries(write_entries(entries)) == entries


def test_a_bundle_has_the_form_of_the_specification():
    assert write_entries([b"ab", b""]) == b"\x00\x02ab\x00\x00"


def test_an_entry_longer_than_the_format_allows_is_refused():
    assert len(write_entries([bytes(65535)])) == 65537
    with pytest.raises(InvalidRequestError, match="65535"):
        write_entries([bytes(65536)])


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x02a", b"\x00\x01ab", b"\x00\x00\x01"])
def test_a_bundle_that_ends_within_an_entry_is_refused(data):
    with pytest.raises(MalformedFileError):
        read_entries(data)
