"""One file with everything that a stranger needs to check results without asking anyone.

A bundle is a set of statements in their envelopes, for each its leaf in the log and the inclusion
proof, and one checkpoint that all proofs lead to. Its form is docs/reference/verification.md's.
"""

from base64 import b64decode
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from medperf.domain.errors import MalformedFileError
from medperf.domain.wire import first_fault
from medperf.provenance.canonical import canonical_bytes, read_json
from medperf.provenance.envelope import Envelope

FORMAT: Final = "medperf-bundle-v1"

_KEEP_UNKNOWN = ConfigDict(frozen=True, extra="allow", serialize_by_alias=True)
_Hash = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]


class LogProof(BaseModel):
    """Where a statement is in the log.

    Attributes:
        leaf: the text of the log entry, byte for byte as it was hashed.
        index: of the leaf.
        proof: base64 hashes from the leaf's sibling up, for the size of the bundle's checkpoint.
    """

    model_config = _KEEP_UNKNOWN

    leaf: str
    index: int = Field(ge=0)
    proof: tuple[_Hash, ...]

    @property
    def hashes(self) -> list[bytes]:
        """The proof's hashes."""
        return [b64decode(step) for step in self.proof]


class LoggedEnvelope(BaseModel):
    """A signed statement and its place in the log, if it is known."""

    model_config = _KEEP_UNKNOWN

    envelope: Envelope
    log: LogProof | None = None


class Bundle(BaseModel):
    """Results with all that they rest on, in any order."""

    model_config = _KEEP_UNKNOWN

    format: Literal["medperf-bundle-v1"] = FORMAT
    checkpoint: str
    statements: tuple[LoggedEnvelope, ...]

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a bundle.

        Raises:
            MalformedFileError: if it is anything else.
        """
        document: Any = read_json(data)
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise MalformedFileError(
                f"not a bundle: {first_fault(error)}",
                hint="'medperf result bundle' and 'medperf benchmark bundle' write bundles.",
            ) from None

    def to_bytes(self) -> bytes:
        """Write the bundle, always the same bytes for the same content."""
        return canonical_bytes(self.model_dump(mode="json"))
