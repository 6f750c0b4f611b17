"""One log, several keys, one after the other: how a key that is trusted leads to the others.

A log keeps its name and changes its key by a `succession` statement, a leaf as any other: up to and
with that leaf the former key signs, from the next one on the following key. The order of leaves
decides, so what a former key signed in good time is proven by its place in the log, and what it
signs later is worth nothing: neither a checkpoint of more leaves, nor a statement of a later leaf.

1. The successions of a bundle form one chain: each begins with the key that the last ended with.
2. Every following key signed its succession; a former one too, unless it was revoked.
3. The trusted key is in the chain, and no key was revoked from there on.
4. The key in force at the checkpoint's size signed the checkpoint.
5. Every succession is a leaf of the checkpoint's log, at the place where the chain needs it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from medperf.domain.errors import LogKeyRevokedError, SignatureError
from medperf.provenance.bundle import Bundle, LogProof
from medperf.provenance.checkpoint import Checkpoint, claimed_checkpoint, read_checkpoint
from medperf.provenance.envelope import Envelope, sign, verify
from medperf.provenance.inclusion import require_logged
from medperf.provenance.key_history import KeySpan
from medperf.provenance.keys import PublicKey, Signer
from medperf.provenance.notes import NoteKey
from medperf.provenance.predicates import SuccessionPredicate
from medperf.provenance.statements import make_statement, read_statement

_MARK = f'"kind":"{SuccessionPredicate.kind}"'


@dataclass(frozen=True, slots=True)
class LogKeys:
    """Every key that signed one log, as far as it is known.

    Attributes:
        name: the log's.
        spans: the first leaf that each key could sign, and the key; in order.
    """

    name: str
    spans: tuple[tuple[int, PublicKey], ...]

    @classmethod
    def only(cls, key: NoteKey) -> Self:
        """A log that had no other key yet, or none that is known."""
        return cls(key.name, ((0, key.public),))

    @classmethod
    def of(cls, name: str, first: PublicKey, links: Sequence[tuple[int, PublicKey]]) -> Self:
        """The first key, and the keys that followed at these leaves."""
        return cls(name, ((0, first), *((leaf + 1, key) for leaf, key in links)))

    @property
    def current(self) -> NoteKey:
        """The key in force now."""
        return NoteKey(self.name, self.spans[-1][1])

    def for_size(self, size: int) -> NoteKey:
        """The key that signs the checkpoint of a log of this many leaves."""
        return NoteKey(self.name, self._reaching(size))

    def at_leaf(self, leaf: int) -> PublicKey:
        """The key that could sign what is logged as this leaf."""
        return self._reaching(leaf)

    def knows(self, public: PublicKey) -> bool:
        """Whether a key ever signed this log."""
        return any(key == public for _, key in self.spans)

    def read(self, note: str) -> Checkpoint:
        """Read a checkpoint that was signed with the key in force at its size.

        Raises:
            MalformedFileError: if it is not a checkpoint.
            SignatureError: if that key did not sign it.
            LogForkError: if the key signed for another log.
        """
        return read_checkpoint(note, self.for_size(claimed_checkpoint(note).size))

    def history(self) -> dict[str, KeySpan]:
        """The same for the history of all keys: the log's key is the server's."""
        ends = [start - 1 for start, _ in self.spans[1:]]
        return {
            key.key_id: KeySpan(key, "server", None, self.name, start - 1, end)
            for (start, key), end in zip(self.spans, [*ends, None], strict=True)
        }

    def _reaching(self, number: int) -> PublicKey:
        # After a succession at leaf 7, its key signs leaf 8, and the checkpoint of those 8 leaves.
        return [key for start, key in self.spans if start <= number][-1]


def sign_succession(
    said: SuccessionPredicate, following: Signer, former: Signer | None = None
) -> Envelope:
    """Sign it with the following key, and with the former one where that is given."""
    signers = [following] if former is None else [former, following]
    return sign(make_statement(said.subjects(), said), signers)


def follow(bundle: Bundle, trusted: NoteKey) -> tuple[LogKeys, Checkpoint]:
    """The keys of the log and its checkpoint, as far as the trusted key leads to them.

    Raises:
        LogKeyRevokedError: if the trusted key was revoked, as who holds the next one says.
        UntrustedError: if the bundle proves no such chain; the message says why.
        MalformedFileError: if a part of it is not what it should be.
    """
    links = [
        _Link.of(each.envelope, each.log, trusted.name)
        for each in bundle.statements
        # Leaves are canonical JSON. One that hides its kind is no link, and fails its inclusion.
        if each.log is not None and _MARK in each.log.leaf
    ]
    links.sort(key=lambda link: link.leaf)
    keys = _chain(links, trusted)
    checkpoint = keys.read(bundle.checkpoint)
    for link in links:
        require_logged(link.envelope, SuccessionPredicate.kind, link.log, checkpoint)
    return keys, checkpoint


class _Link:
    """A succession whose signatures hold; its place in the log is still only claimed."""

    def __init__(self, envelope: Envelope, log: LogProof, said: SuccessionPredicate) -> None:
        self.envelope = envelope
        self.log = log
        self.leaf = log.index
        self.cause = said.cause
        self.reason = said.reason
        self.former = PublicKey.from_text(said.former_key)
        self.following = PublicKey.from_text(said.public_key)

    @classmethod
    def of(cls, envelope: Envelope, log: LogProof, name: str) -> Self:
        said = read_statement(envelope.content, SuccessionPredicate).predicate
        if said.log != name:
            raise SignatureError(f"a succession is of log {said.log[:80]!r}, not of {name}")
        link = cls(envelope, log, said)
        signers = [link.following] if said.cause == "revoked" else [link.former, link.following]
        try:
            verify(envelope, {key.key_id: key for key in signers}, threshold=len(signers))
        except SignatureError as error:
            raise SignatureError(
                f"the succession from key {link.former.key_id} to {link.following.key_id} is not"
                f" signed as one that was {said.cause} must be: {error.detail}"
            ) from None
        return link


def _chain(links: list[_Link], trusted: NoteKey) -> LogKeys:
    if not links:
        return LogKeys.only(trusted)
    known = [links[0].former]
    for link in links:
        if link.former != known[-1]:
            raise SignatureError(
                f"the succession at leaf {link.leaf} does not follow key {known[-1].key_id}"
            )
        if link.following in known:
            raise SignatureError(f"key {link.following.key_id} comes back at leaf {link.leaf}")
        known.append(link.following)
    if trusted.public not in known:
        raise SignatureError(
            f"the trusted key {trusted.public.key_id} is none of the keys that sign this log:"
            f" {', '.join(key.key_id for key in known)}"
        )
    for link in links[known.index(trusted.public) :]:
        if link.cause == "revoked":
            # Not which key follows: a person has to get that another way.
            raise LogKeyRevokedError(
                f"key {link.former.key_id} of log {trusted.name} is said to be revoked at leaf"
                f" {link.leaf} ({link.reason or 'no reason given'}) and followed by another"
            )
    return LogKeys.of(trusted.name, known[0], [(link.leaf, link.following) for link in links])
