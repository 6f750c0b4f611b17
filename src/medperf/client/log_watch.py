"""Remembering what the log said, and demanding that what it says next continues it.

A server can show each of its visitors another history, or go back to an old one, but not to a
visitor who kept a checkpoint. The checkpoint that was kept and the one that contradicts it, both
signed by the server, are evidence that anyone can check; they are written down and stay there.

The server may replace its key. Its successions are fetched when something is signed with a key that
is not known here, and followed only from the key that is trusted here, and only if the log in which
they are leaves continues the one seen last.
"""

import json
import threading
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from medperf.client.paging import BASE
from medperf.domain.errors import (
    InvalidRequestError,
    LogForkError,
    MalformedFileError,
    SignatureError,
    UntrustedError,
)

if TYPE_CHECKING:
    from medperf.client.transport import Transport
    from medperf.domain.log import LogInclusion
    from medperf.provenance.checkpoint import Checkpoint
    from medperf.provenance.succession import LogKeys

# Signatures take long to import; a log that did not grow needs none of them.

KEYS = f"{BASE}/log/keys"
"""Where a server tells which keys signed its log."""


class LogWatch:
    """The last checkpoint that was seen of one log, in a folder.

    Args:
        folder: where it is kept; made when needed.
        key: the log's key that is trusted, as ``name+hash+base64``; an earlier or a later one may
            sign the log by now.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._key = key
        self._keys: LogKeys | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The log's name, which every key of it bears."""
        return self._key.partition("+")[0]

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
    def keys(self) -> "LogKeys":
        """The keys that sign this log, as far as successions from the trusted one were seen."""
        from medperf.provenance.bundle import Bundle  # noqa: PLC0415
        from medperf.provenance.notes import NoteKey  # noqa: PLC0415
        from medperf.provenance.succession import LogKeys, follow  # noqa: PLC0415

        if self._keys is None:
            trusted = NoteKey.from_text(self._key)
            try:
                seen = Bundle.from_bytes(self._successions.read_bytes())
                self._keys, _ = follow(seen, trusted)
            except (FileNotFoundError, MalformedFileError, UntrustedError):
                # None were seen yet, or another key is trusted than when they were: ask again.
                self._keys = LogKeys.only(trusted)
        return self._keys

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
            has_learned = False
            while True:
                seen = self.seen
                note, proof = self._ask(transport, seen)
                if note == seen:
                    return note
                if not has_learned and not self._knows_signers_of(seen, note):
                    self._learn_from(transport)
                    has_learned = True
                    continue
                self._require_growth(seen, note, proof)
                if self._see(note, after=seen):
                    return note

    def confirm(self, transport: "Transport") -> None:
        """Have the server prove that the trusted key signs its log now, which goes on as it was.

        Raises:
            UntrustedError: if it does not.
        """
        with self._lock:
            self._learn_from(transport)

    def learn(self, answer: Mapping[str, Any]) -> None:
        """Take in the server's answer about its keys: successions, and a log that has them.

        Raises:
            LogForkError: if that log does not continue the one seen last; both notes are kept.
            LogKeyRevokedError: if the trusted key was revoked: a person has to trust the next one.
            UntrustedError: if the successions do not lead on from the trusted key.
        """
        with self._lock:
            self._learn(answer, self.seen)

    def _learn_from(self, transport: "Transport") -> None:
        while True:
            seen = self.seen
            if self._learn(self._ask_for_keys(transport, seen), seen):
                return

    def _learn(self, answer: Mapping[str, Any], seen: str) -> bool:
        """Take in what was answered to one who had seen this; not, if more was seen meanwhile."""
        from medperf.provenance.bundle import Bundle  # noqa: PLC0415
        from medperf.provenance.canonical import canonical_bytes  # noqa: PLC0415
        from medperf.provenance.notes import NoteKey  # noqa: PLC0415
        from medperf.provenance.succession import follow  # noqa: PLC0415

        content = canonical_bytes({k: v for k, v in answer.items() if k != "proof"})
        bundle, before = Bundle.from_bytes(content), self._keys
        self._keys, _ = follow(bundle, NoteKey.from_text(self._key))
        try:
            self._require_growth(seen, bundle.checkpoint, list(answer["proof"]))
        except UntrustedError:
            self._keys = before
            raise
        self._keep(self._successions, content.decode())
        return self._see(bundle.checkpoint, after=seen)

    def _ask(self, transport: "Transport", seen: str) -> tuple[str, list[str]]:
        try:
            answer = transport.get(f"{BASE}/log/consistency", {"from": size_of(seen)})
        except InvalidRequestError:
            # Shorter than what was seen: ask for what there is, as evidence.
            answer = transport.get(f"{BASE}/log/consistency", {"from": 0})
        return str(answer["checkpoint"]), list(answer["proof"])

    def _ask_for_keys(self, transport: "Transport", seen: str) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = transport.get(KEYS, {"from": size_of(seen)})
        except InvalidRequestError:
            answer = transport.get(KEYS, {"from": 0})
        return answer

    def _knows_signers_of(self, *notes: str) -> bool:
        try:
            return all(self._read(note) for note in notes if note)
        except SignatureError:
            return False

    def accept_inclusion(
        self, transport: "Transport", inclusion: "LogInclusion", envelope_digest: str
    ) -> int:
        """Check the server's proof that it logged an envelope; answers the leaf.

        Raises:
            LogForkError: if the inclusion is for another history than the one seen here.
            UntrustedError: if it proves nothing of the kind.
        """
        from medperf.provenance.log_entry import LogEntry  # noqa: PLC0415
        from medperf.provenance.merkle import leaf_hash, verify_inclusion  # noqa: PLC0415

        checkpoint = self._read_from(transport, inclusion.checkpoint)
        leaf = inclusion.leaf.encode()
        proof = [b64decode(step) for step in inclusion.proof]
        verify_inclusion(leaf_hash(leaf), inclusion.index, checkpoint.size, proof, checkpoint.root)
        if LogEntry.from_bytes(leaf).envelope_digest != envelope_digest:
            raise UntrustedError("the server's inclusion is for another statement")
        self.accept_checkpoint(transport, inclusion.checkpoint)
        return inclusion.index

    def accept_checkpoint(self, transport: "Transport", note: str) -> None:
        """Have the server prove that a checkpoint it showed is of the log that is seen here.

        Raises:
            LogForkError: if it is of another history.
            UntrustedError: if the log's key did not sign it.
        """
        size = self._read_from(transport, note).size
        with self._lock:
            while True:
                kept = self.seen
                start, end = sorted((size_of(kept), size))
                answer = transport.get(f"{BASE}/log/consistency", {"from": start, "to": end})
                if end != size:
                    self._require_growth(note, kept, answer["proof"])
                    return
                self._require_growth(kept, note, answer["proof"])
                if self._see(note, after=kept):
                    return

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

    def _read_from(self, transport: "Transport", note: str) -> "Checkpoint":
        if not self._knows_signers_of(note):
            self.demand(transport)
        return self._read(note)

    def _read(self, note: str) -> "Checkpoint":
        return self.keys.read(note)

    @property
    def _successions(self) -> Path:
        return self._folder / "keys.json"

    def _see(self, note: str, *, after: str) -> bool:
        """Keep a note that continues ``after``, if nobody kept another one meanwhile.

        An agent and people's commands share the folder. What one of them was proven says nothing
        of what another one has seen since; who comes later asks again.
        """
        if self.seen != after:
            return False
        self._keep(self.path, note)
        return True

    def _keep(self, path: Path, content: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Process numbers repeat: each container on a shared folder counts its own.
        beside = path.with_name(f".{path.name}.{uuid4().hex}")
        beside.write_text(content, encoding="utf-8")
        beside.replace(path)


def size_of(note: str) -> int:
    """How many leaves a checkpoint says there are; 0 for none. Nothing is verified."""
    return int(note.split("\n", 2)[1]) if note else 0
