"""C2SP signed notes: text with the signatures under it.

https://c2sp.org/signed-note, Ed25519 signatures only. Logs of other projects and their tools use
the same form, so any of them can follow ours.
"""

import hashlib
from base64 import b64decode, b64encode
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from medperf.domain.errors import InvalidRequestError, MalformedFileError, SignatureError
from medperf.provenance.keys import PublicKey, Signer

_ED25519 = b"\x01"
_DASH = "\N{EM DASH} "
_MAX_SIGNATURES = 64


@dataclass(frozen=True)
class NoteKey:
    """A public key with the name it signs notes under; what a client pins for a log."""

    name: str
    public: PublicKey

    def __post_init__(self) -> None:
        if not self.name or "+" in self.name or any(map(str.isspace, self.name)):
            raise InvalidRequestError(
                f"the name of a note's key has no spaces and no '+': {self.name!r}"
            )

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a verifier key: ``name+hash+base64``.

        Raises:
            InvalidRequestError: if it is anything else, or its hash is not that of its key.
        """
        name, _, rest = text.partition("+")
        _, _, encoded = rest.partition("+")
        try:
            typed = b64decode(encoded, validate=True)
        except ValueError:
            typed = b""
        if typed[:1] != _ED25519:
            raise InvalidRequestError(
                "a log's key is written name+hash+base64, with an Ed25519 key in the base64"
            )
        key = cls(name, PublicKey(typed[1:]))
        if key.to_text() != text:
            raise InvalidRequestError(f"the log's key {name!r} has a hash that is not its own")
        return key

    def to_text(self) -> str:
        """Write it as a verifier key, as other tools for logs read it."""
        typed = b64encode(_ED25519 + self.public.raw).decode()
        return f"{self.name}+{self.hash.hex()}+{typed}"

    def require_same_log(self, text: str) -> None:
        """Insist that another key, as text, is one of the same log.

        Raises:
            InvalidRequestError: if it is none.
        """
        if type(self).from_text(text).name != self.name:
            raise InvalidRequestError(
                f"this is a key of another log than {self.name}",
                hint="A log keeps its name, whatever happens to its server's key.",
            )

    @cached_property
    def hash(self) -> bytes:
        """The four bytes that tell keys of one name apart."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public.raw).digest()[:4]


def sign_note(text: str, name: str, signer: Signer) -> str:
    """Sign text that ends in a line end.

    Raises:
        InvalidRequestError: if the text cannot be a note's.
    """
    if not text.endswith("\n") or _has_control_characters(text):
        raise InvalidRequestError(
            "a note's text ends in a line end and has no other control characters"
        )
    key = NoteKey(name, signer.public)
    signature = b64encode(key.hash + signer.sign(text.encode())).decode()
    return f"{text}\n{_DASH}{name} {signature}\n"


def add_signature(note: str, name: str, signer: Signer) -> str:
    """Add one more signature under a note, such as a witness's.

    Raises:
        MalformedFileError: if it is not a signed note.
    """
    text, _ = _parse(note)
    return note + sign_note(text, name, signer)[len(text) + 1 :]


def open_note(note: str, *keys: NoteKey) -> str:
    """Answer the text if at least one of these keys signed it and none of them signed falsely.

    Raises:
        MalformedFileError: if it is not a signed note.
        SignatureError: if no given key signed, or a signature of a given key is wrong.
    """
    text, signatures = _parse(note)
    known = {(key.name, key.hash): key for key in keys}
    signed = False
    for name, blob in signatures:
        key = known.get((name, blob[:4]))
        if key is not None:
            key.public.verify(blob[4:], text.encode())
            signed = True
    if not signed:
        signers = ", ".join(sorted({name for name, _ in signatures}))
        raise SignatureError(f"the note is signed by {signers} and by none of the trusted keys")
    return text


def _parse(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    text, gap, below = note.rpartition("\n\n")
    lines = below.split("\n")
    if not gap or lines.pop() != "" or not lines or _has_control_characters(note):
        raise MalformedFileError("a signed note is text, an empty line and lines of signatures")
    if len(lines) > _MAX_SIGNATURES:
        raise MalformedFileError(f"a note has at most {_MAX_SIGNATURES} signatures")
    return text + "\n", [_signature(line) for line in lines]


def _signature(line: str) -> tuple[str, bytes]:
    name, gap, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        blob = b64decode(encoded, validate=True)
    except ValueError:
        blob = b""
    if not line.startswith(_DASH) or not gap or not name or len(blob) <= len(b"hash"):
        raise MalformedFileError(f"this is not a line of a note's signature: {line[:80]!r}")
    return name, blob


def _has_control_characters(text: str) -> bool:
    return any(character < " " and character != "\n" for character in text)
