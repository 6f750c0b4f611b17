"""Checkpoints: the log's promise that it has this many leaves and this root.

https://c2sp.org/tlog-checkpoint. Whoever keeps the last checkpoint they saw can demand a proof that
the next one only appended; a log that cannot give it has been forked or rolled back.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from medperf.domain.errors import LogForkError, MalformedFileError
from medperf.provenance.keys import PublicKey, Signer
from medperf.provenance.merkle import verify_consistency
from medperf.provenance.notes import NoteKey, open_note, sign_note

_TEXT = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n((?:[^\n]+\n)*)")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log at one size.

    Attributes:
        origin: the log's name, such as ``medperf.example.org/log``.
        size: its number of leaves.
        root: the 32 bytes of its Merkle root.
    """

    origin: str
    size: int
    root: bytes

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read the text of a checkpoint's note; extension lines are skipped.

        Raises:
            MalformedFileError: if it is anything else.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise MalformedFileError("a checkpoint is the lines origin, size and base64 root")
        origin, size, root, _ = match.groups()
        return cls(origin, int(size), b64decode(root))

    def to_text(self) -> str:
        """Write the three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    def require_growth(self, later: "Checkpoint", proof: Sequence[bytes]) -> None:
        """Answer if the later checkpoint's log begins with this one's.

        Raises:
            LogForkError: if it is another log, shrank, or was rewritten.
            ProofError: if the proof is not one for these sizes.
        """
        if self.origin != later.origin:
            raise LogForkError(f"expected a checkpoint of {self.origin}, got one of {later.origin}")
        verify_consistency(self.size, self.root, later.size, later.root, proof)


def log_key(public: PublicKey) -> NoteKey:
    """The log's key of a server whose first key this is; what signs grants signs the log.

    The log's name comes from its first key, so no two logs share a name; later keys keep it.
    """
    return NoteKey(f"medperf-log-{public.key_id.removeprefix('sha256:')[:16]}", public)


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> str:
    """Write the signed note; the key signs under the log's origin."""
    return sign_note(checkpoint.to_text(), checkpoint.origin, signer)


def read_checkpoint(note: str, key: NoteKey) -> Checkpoint:
    """Read a checkpoint that this log signed.

    Raises:
        MalformedFileError: if it is not a checkpoint.
        SignatureError: if the key did not sign it.
        LogForkError: if the key signed for another log.
    """
    checkpoint = Checkpoint.from_text(open_note(note, key))
    if checkpoint.origin != key.name:
        raise LogForkError(f"expected a checkpoint of {key.name}, got one of {checkpoint.origin}")
    return checkpoint


def claimed_checkpoint(note: str) -> Checkpoint:
    """What a signed note says, before anybody looked who signed it.

    Raises:
        MalformedFileError: if it is not a checkpoint.
    """
    return Checkpoint.from_text(note.partition("\n\n")[0] + "\n")
