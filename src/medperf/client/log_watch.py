"""Remembering what the log said, and demanding that what it says next continues it.

A server can show each of its visitors another history, or go back to an old one, but not to a
visitor who kept a checkpoint. The checkpoint that was kept and the one that contradicts it, both
signed by the server, are evidence that anyone can check; they are written down and stay there.
"""

import json
import os
import threading
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING

from medperf.client.paging import BASE
from medperf.domain.errors import InvalidRequestError, LogForkError, UntrustedError

if TYPE_CHECKING:
    from medperf.client.transport import Transport
    from medperf.domain.log import LogInclusion
    from medperf.provenance.checkpoint import Checkpoint

# Signatures take long to import; a log that did not grow needs none of them.


class LogWatch:
    """The last checkpoint that was seen of one log, in a folder.

    Args:
        folder: where it is kept; made when needed.
        key: the log's key, as ``name+hash+base64``.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._key = key
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        """The file of the checkpoint that was seen last."""
        return self._folder / "checkpoint"

    @property
    def seen(self) -> str:
        """The signed note that was seen last; nothing before the first."""
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    @property
    def alarms(self) -> list[Path]:
        """The evidence of every fork that was found, oldest first."""
        return sorted(self._folder.glob("fork-*.json"), key=lambda path: path.stat().st_mtime)

    def demand(self, transport: "Transport") -> str:
        """Have the server prove that its log continues the one seen last; answers the new note.

        Raises:
            LogForkError: if it does not. Both checkpoints are kept beside the one seen last.
            UntrustedError: if the answer is not signed by the log's key or proves nothing.
        """
        with self._lock:
            return self._demand(transport)

    def _demand(self, transport: "Transport") -> str:
        kept = self.seen
        size = size_of(kept)
        try:
            answer = transport.get(f"{BASE}/log/consistency", {"from": size})
        except InvalidRequestError:
            # Shorter than what was seen: ask for what there is, as evidence.
            answer = transport.get(f"{BASE}/log/consistency", {"from": 0})
        note = str(answer["checkpoint"])
        if note != kept:
            self._require_growth(kept, note, answer["proof"])
            self._keep(self.path, note)
        return note

    def accept_inclusion(
        self, transport: "Transport", inclusion: "LogInclusion", envelope_digest: str
    ) -> None:
        """Check the server's proof that it logged an envelope, in the log that is seen here.

        Raises:
            LogForkError: if the inclusion is for another history than the one seen here.
            UntrustedError: if it proves nothing of the kind.
        """
        from medperf.provenance.log_entry import LogEntry  # noqa: PLC0415
        from medperf.provenance.merkle import leaf_hash, verify_inclusion  # noqa: PLC0415

        checkpoint = self._read(inclusion.checkpoint)
        leaf = inclusion.leaf.encode()
        proof = [b64decode(step) for step in inclusion.proof]
        verify_inclusion(leaf_hash(leaf), inclusion.index, checkpoint.size, proof, checkpoint.root)
        if LogEntry.from_bytes(leaf).envelope_digest != envelope_digest:
            raise UntrustedError("the server's inclusion is for another statement")
        self.accept_checkpoint(transport, inclusion.checkpoint)

    def accept_checkpoint(self, transport: "Transport", note: str) -> None:
        """Have the server prove that a checkpoint it showed is of the log that is seen here.

        Raises:
            LogForkError: if it is of another history.
            UntrustedError: if the log's key did not sign it.
        """
        size = self._read(note).size
        with self._lock:
            kept = self.seen
            start, end = sorted((size_of(kept), size))
            answer = transport.get(f"{BASE}/log/consistency", {"from": start, "to": end})
            if end == size:
                self._require_growth(kept, note, answer["proof"])
                self._keep(self.path, note)
            else:
                self._require_growth(note, kept, answer["proof"])

    def _require_growth(self, kept: str, note: str, proof: list[str]) -> None:
        later = self._read(note)
        if not kept:
            return
        try:
            self._read(kept).require_growth(later, [b64decode(step) for step in proof])
        except UntrustedError as error:
            evidence = self._folder / f"fork-{later.size}-{later.root.hex()[:12]}.json"
            content = {
                "found": error.detail,
                "key": self._key,
                "seen": kept,
                "given": note,
                "proof": proof,
            }
            self._keep(evidence, json.dumps(content, indent=2) + "\n")
            raise LogForkError(
                f"{error.detail}; both signed checkpoints are kept in {evidence}",
                evidence=str(evidence),
            ) from error

    def _read(self, note: str) -> "Checkpoint":
        from medperf.provenance.checkpoint import read_checkpoint  # noqa: PLC0415
        from medperf.provenance.notes import NoteKey  # noqa: PLC0415

        return read_checkpoint(note, NoteKey.from_text(self._key))

    def _keep(self, path: Path, content: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.write_text(content, encoding="utf-8")
        beside.replace(path)


def size_of(note: str) -> int:
    """How many leaves a checkpoint says there are; 0 for none. Nothing is verified."""
    return int(note.split("\n", 2)[1]) if note else 0
