"""What the server answers about its transparency log; the proofs are checked by ``provenance``."""

from typing import Any

from pydantic import Field

from medperf.domain.wire import Record


class LogInclusion(Record):
    """Where something is in the log.

    Attributes:
        leaf: the entry's text, byte for byte as it was hashed.
        index: of the leaf, from 0.
        proof: base64 hashes from the leaf's sibling up, to the checkpoint's root.
        checkpoint: the signed note.
    """

    leaf: str
    index: int = Field(ge=0)
    proof: tuple[str, ...]
    checkpoint: str


class LogGrowth(Record):
    """The proof that a log only grew: from a checkpoint that was seen to this one."""

    checkpoint: str
    proof: tuple[str, ...]


class LogSuccessions(Record):
    """Which keys followed each other in signing the log, proven by a log that only grew.

    Attributes:
        checkpoint: the signed note, to which all proofs lead.
        statements: the successions, each with its envelope and its place in the log.
        proof: that the log only grew to this checkpoint from what was asked for.
    """

    format: str
    checkpoint: str
    statements: tuple[dict[str, Any], ...]
    proof: tuple[str, ...]


class LogBundle(Record):
    """Everything that results rest on; docs/reference/verification.md says what is inside."""

    format: str
    checkpoint: str
    statements: tuple[dict[str, Any], ...]
    leaderboard: dict[str, Any] | None = None
