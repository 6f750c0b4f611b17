"""Whose key was valid when: the log's order decides, not anyone's clock.

A key is valid for what was logged after its enrollment and before its revocation, so a signature
made in good time stays valid for ever and a stolen key is worth nothing once it is revoked.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from medperf.provenance.keys import PublicKey
from medperf.provenance.predicates import KeyPredicate


@dataclass(frozen=True, slots=True)
class KeySpan:
    """A key and the part of the log in which it could sign.

    Attributes:
        public: the key.
        owner_type: ``server``, ``site`` or ``person``.
        owner_id: the owner's number; None for the server.
        owner: the owner's name.
        enrolled_index: the leaf that enrolled it; -1 for the log's first key.
        revoked_index: the leaf that revoked it, if one did.
    """

    public: PublicKey
    owner_type: str
    owner_id: int | None
    owner: str
    enrolled_index: int
    revoked_index: int | None = None

    def was_valid_at(self, index: int) -> bool:
        """Whether what was logged as this leaf could be signed with the key."""
        return self.enrolled_index < index and (
            self.revoked_index is None or index < self.revoked_index
        )


def key_history(events: Mapping[int, KeyPredicate]) -> dict[str, KeySpan]:
    """Build the history of all keys from the key statements by leaf index.

    A key is enrolled once: what a revoked key's holder signs later is never valid again, and the
    first enrollment says whose key it is.
    """
    spans: dict[str, KeySpan] = {}
    for index in sorted(events):
        event = events[index]
        public = PublicKey.from_text(event.public_key)
        known = spans.get(public.key_id)
        if known is None and event.event == "enrolled":
            spans[public.key_id] = KeySpan(
                public, event.owner_type, event.owner_id, event.owner, index
            )
        elif known is not None and event.event == "revoked" and known.revoked_index is None:
            spans[public.key_id] = KeySpan(
                public, known.owner_type, known.owner_id, known.owner, known.enrolled_index, index
            )
    return spans
