"""Is a statement a leaf of the log that a checkpoint stands for?"""

from medperf.domain.errors import SignatureError
from medperf.provenance.bundle import LogProof
from medperf.provenance.checkpoint import Checkpoint
from medperf.provenance.envelope import Envelope
from medperf.provenance.log_entry import LogEntry
from medperf.provenance.merkle import leaf_hash, verify_inclusion


def require_logged(envelope: Envelope, kind: str, log: LogProof, checkpoint: Checkpoint) -> None:
    """Insist that a leaf of the checkpoint's log names this envelope, as one of this kind.

    Raises:
        ProofError: if the proof does not lead to the root.
        SignatureError: if the leaf names another envelope or kind.
        MalformedFileError: if the leaf is none.
    """
    leaf = log.leaf.encode()
    verify_inclusion(leaf_hash(leaf), log.index, checkpoint.size, log.hashes, checkpoint.root)
    entry = LogEntry.from_bytes(leaf)
    if entry.envelope_digest != envelope.digest:
        raise SignatureError(f"its leaf names another envelope, {entry.envelope_digest}")
    if entry.kind != kind:
        raise SignatureError(f"its leaf says it is a {entry.kind}, not a {kind}")
