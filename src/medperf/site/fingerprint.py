"""The fingerprint of a dataset: one digest over the paths, sizes and bytes of its files.

The byte layout is specified in ``docs/reference/fingerprint.md``. Renaming a file, swapping two
labels, or moving a file from data to labels changes it; times, owners and permissions do not.
Files are read by several threads (BLAKE3 works without the interpreter's lock), and a file that a
:class:`FingerprintCache` knows is not read again. Files are read, not mapped into memory: a file
that is cut short while it is mapped would kill the process.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from medperf.domain.errors import (
    CancelledError,
    FileChangedError,
    FingerprintMismatchError,
    InvalidRequestError,
    UnreadableFileError,
)
from medperf.site.data_files import DataFile, FileFacts, data_files, resolved
from medperf.site.fingerprint_cache import FingerprintCache

HEADER = b"medperf.fingerprint/v1\n"
CHUNK_BYTES = 512 * 1024
LARGE_BYTES = 256 * 1024 * 1024
"""From here on a file is worth all threads; smaller ones are read side by side."""

ALONE_BYTES = 4 * 1024 * 1024
"""Files that together are smaller than this are read by the calling thread."""

Progress = Callable[[int, int], None]
"""Told the bytes that are settled and the bytes in all."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A dataset's name by content, and what it took to find it."""

    digest: str
    n_files: int
    size_bytes: int
    n_read: int
    """Files whose bytes were read; the cache answered for the others."""


def fingerprint(
    roots: Mapping[str, Path],
    *,
    cache: FingerprintCache | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> Fingerprint:
    """Find the fingerprint of named folders (or single files).

    Args:
        roots: what the dataset consists of, for instance ``data``, ``labels`` and ``metadata``.
        cache: what earlier calls read; brought up to date.
        threads: how many files are read at once; by default as many as there are cores.
        progress: called while files are read, from several threads but never at once.
        cancel: set it to stop early.

    Raises:
        InvalidRequestError: no root is given.
        EmptyInputError: a root is missing or holds no file.
        IrregularFileError: there is a link, device, pipe or socket below a root.
        UnreadableFileError: a file or folder cannot be read.
        FileChangedError: a file changed while it was read.
        CancelledError: ``cancel`` was set.
    """
    if not roots:
        raise InvalidRequestError("a fingerprint needs at least one folder")
    read_at_ns = cache.now_ns() if cache else 0
    files = {name: data_files(name, roots[name]) for name in sorted(roots, key=str.encode)}
    digests = _remembered(files, roots, cache) if cache else {}
    every = [file for listed in files.values() for file in listed]
    unread = [file for file in every if _key(file) not in digests]
    size_bytes = sum(file.facts.size for file in every)
    reader = _Reader(size_bytes, progress, cancel)
    reader.advance(size_bytes - sum(file.facts.size for file in unread))
    digests |= reader.read(unread, threads or usable_cores())
    if cache and unread:
        for name, listed in files.items():
            known = {file.path: (file.facts, digests[_key(file)]) for file in listed}
            cache.store(os.fsencode(resolved(name, roots[name])), known, read_at_ns)
    digest = combine((file.root, file.path, file.facts.size, digests[_key(file)]) for file in every)
    return Fingerprint(digest, n_files=len(every), size_bytes=size_bytes, n_read=len(unread))


def verify_fingerprint(
    expected: str,
    roots: Mapping[str, Path],
    *,
    cache: FingerprintCache | None = None,
    threads: int | None = None,
    cancel: threading.Event | None = None,
) -> Fingerprint:
    """Find the fingerprint and insist that it is the expected one.

    Raises:
        FingerprintMismatchError: it is another one.
        MedPerfError: as :func:`fingerprint`.
    """
    found = fingerprint(roots, cache=cache, threads=threads, cancel=cancel)
    if found.digest != expected:
        raise FingerprintMismatchError(
            f"the files have the fingerprint {found.digest}, expected {expected}",
            expected=expected,
            found=found.digest,
        )
    return found


def combine(files: Iterable[tuple[str, bytes, int, bytes]]) -> str:
    """Make one digest of (root, path, size, BLAKE3 digest) in order of root and path."""
    whole = blake3(HEADER)
    for root, path, size, digest in files:
        name = root.encode()
        whole.update(len(name).to_bytes(4, "little") + name)
        whole.update(len(path).to_bytes(4, "little") + path)
        whole.update(size.to_bytes(8, "little") + digest)
    return "blake3:" + whole.hexdigest()


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _key(file: DataFile) -> tuple[str, bytes]:
    return file.root, file.path


def _remembered(
    files: Mapping[str, list[DataFile]], roots: Mapping[str, Path], cache: FingerprintCache
) -> dict[tuple[str, bytes], bytes]:
    digests = {}
    for name, listed in files.items():
        known = cache.load(os.fsencode(resolved(name, roots[name])))
        for file in listed:
            facts, digest = known.get(file.path, (None, b""))
            if facts == file.facts:
                digests[_key(file)] = digest
    return digests


class _Reader:
    """Reads files with a few threads, says how far it is, and stops when it should."""

    def __init__(
        self, total: int, progress: Progress | None, cancel: threading.Event | None
    ) -> None:
        self._total = total
        self._done = 0
        self._progress = progress
        self._cancel = cancel or threading.Event()
        self._stop = threading.Event()  # one thread failed: the others need not go on
        self._lock = threading.Lock()

    def advance(self, n_bytes: int) -> None:
        """Count bytes as settled."""
        with self._lock:
            self._done += n_bytes
            if self._progress:
                self._progress(self._done, self._total)

    def read(self, files: list[DataFile], threads: int) -> dict[tuple[str, bytes], bytes]:
        """The digest of each file's bytes."""
        if not files:
            return {}
        large = [file for file in files if file.facts.size >= LARGE_BYTES]
        ahead = iter([file for file in files if file.facts.size < LARGE_BYTES])
        found: dict[tuple[str, bytes], bytes] = {}

        def take_turns() -> None:
            chunk = memoryview(bytearray(CHUNK_BYTES))
            while not self._stop.is_set():
                with self._lock:
                    file = next(ahead, None)
                if file is None:
                    return
                try:
                    found[_key(file)] = self._digest(file, chunk, 1)
                except BaseException:
                    self._stop.set()
                    raise

        if sum(file.facts.size for file in files) < ALONE_BYTES:
            take_turns()  # done before a thread would have started
        else:
            with ThreadPoolExecutor(threads, "fingerprint") as pool:
                try:
                    for turn in [pool.submit(take_turns) for _ in range(min(threads, len(files)))]:
                        turn.result()
                finally:
                    self._stop.set()
        if large:
            chunk = memoryview(bytearray(CHUNK_BYTES * 16 * threads))
            found |= {_key(file): self._digest(file, chunk, threads) for file in large}
        return found

    def _digest(self, file: DataFile, chunk: memoryview, threads: int) -> bytes:
        try:
            opened = os.open(file.place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise FileChangedError(f"{file.shown} vanished while it was being read") from error
        except OSError as error:
            raise UnreadableFileError(f"{file.shown} cannot be read: {error.strerror}") from error
        try:
            return self._digest_of_open(opened, file, chunk, threads)
        except OSError as error:
            raise UnreadableFileError(f"{file.shown} cannot be read: {error.strerror}") from error
        finally:
            os.close(opened)

    def _digest_of_open(
        self, opened: int, file: DataFile, chunk: memoryview, threads: int
    ) -> bytes:
        digest = blake3(max_threads=threads)
        n_bytes = 0
        while n := os.readv(opened, [chunk]):
            if self._cancel.is_set():
                raise CancelledError("reading the files was stopped")
            digest.update(chunk[:n])
            n_bytes += n
            self.advance(n)
            if n_bytes > file.facts.size:
                break  # a file that grows as fast as it is read would never end
        # Facts are compared after the last byte: before it, a writer could still come.
        if n_bytes != file.facts.size or FileFacts.of(os.fstat(opened)) != file.facts:
            raise FileChangedError(f"{file.shown} changed while it was being read")
        return digest.digest()
