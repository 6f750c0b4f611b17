"""A leaf of the log: which statement was logged and when, without what it says.

The log is public and a statement may not be, so a leaf names its envelope by digest. Signatures are
part of what is named: a leaf proves that they existed before every later leaf.
"""

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from medperf.domain.errors import MalformedFileError
from medperf.domain.identifiers import Digest, UtcTime
from medperf.provenance.canonical import canonical_bytes, read_json
from medperf.provenance.merkle import leaf_hash


class LogEntry(BaseModel):
    """What a leaf records.

    Attributes:
        kind: of the statement, such as ``result``.
        envelope_digest: `Envelope.digest`.
        logged_at: when, as the log says; order is what the log proves.
        about_digest: `Envelope.payload_digest` of the statement this one answers, such as a
            result's grant: a grant that no later leaf is about is a missing result.
        payload_digest: `Envelope.payload_digest`, by which later leaves say what they are about.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str
    envelope_digest: Digest
    logged_at: UtcTime
    about_digest: Digest | None = None
    payload_digest: Digest | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a leaf.

        Raises:
            MalformedFileError: if it is anything else.
        """
        try:
            return cls.model_validate(read_json(data))
        except ValidationError as error:
            raise MalformedFileError(f"not a log entry: {error.errors()[0]['msg']}") from None

    def to_bytes(self) -> bytes:
        """Write the leaf; these bytes are stored, served and hashed."""
        return canonical_bytes(self.model_dump(mode="json"))

    @property
    def leaf_hash(self) -> bytes:
        """The hash that the tree holds."""
        return leaf_hash(self.to_bytes())
