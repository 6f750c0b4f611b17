"""Is a statement a leaf of the log that a checkpoint stands for?"""

from medperf.domain.errors import ProofError, SignatureError
from medperf.provenance.bundle import LogProof
from medperf.provenance.checkpoint import Checkpoint
from medperf.provenance.envelope import Envelope
from medperf.provenance.log_entry import LogEntry
from medperf.provenance.merkle import leaf_hash, verify_inclusion


def require_logged(
    envelope: Envelope, kind: str, log: LogProof | None, checkpoint: Checkpoint
) -> int:
    """Answer the leaf that names this envelope, as one of this kind, in the checkpoint's log.

    Raises:
        ProofError: if its place is not given, or the proof does not lead to the root.
        SignatureError: if the leaf names another envelope or kind.
        MalformedFileError: if the leaf is none.
    """
    if log is None:
        raise ProofError("its place in the log is not given")
    leaf = log.leaf.encode()
    verify_inclusion(leaf_hash(leaf), log.index, checkpoint.size, log.hashes, checkpoint.root)
    entry = LogEntry.from_bytes(leaf)
    if entry.envelope_digest != envelope.digest:
        raise SignatureError(f"its leaf names another envelope, {entry.envelope_digest}")
    if entry.kind != kind:
        raise SignatureError(f"its leaf says it is a {entry.kind}, not a {kind}")
    return log.index
