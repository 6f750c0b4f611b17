"""in-toto Statement v1: a predicate about subjects that are named by their digests.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md. A statement is written once,
as canonical bytes, and from then on only its bytes are signed, stored, logged and verified.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medperf.domain.errors import InvalidRequestError, MalformedFileError
from medperf.domain.identifiers import is_digest
from medperf.domain.wire import first_fault
from medperf.provenance.canonical import canonical_bytes, digest_of, read_json
from medperf.provenance.predicates import PREDICATES, Predicate

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"

P = TypeVar("P", bound=Predicate)
P_co = TypeVar("P_co", bound=Predicate, covariant=True)

_BY_TYPE = {predicate.predicate_type(): predicate for predicate in PREDICATES}


@dataclass(frozen=True, slots=True)
class Statement(Generic[P_co]):
    """A statement that was read.

    Attributes:
        subjects: digests by name.
        predicate: what is said about them.
        digest: sha256 of the bytes it was read from; grants and results are named by it.
    """

    subjects: Mapping[str, str]
    predicate: P_co
    digest: str


def make_statement(subjects: Mapping[str, str], predicate: Predicate) -> bytes:
    """Write a statement of the predicate's kind about these digests, ready to be signed.

    Raises:
        InvalidRequestError: if there is no subject, or one is not named by a digest.
    """
    if not subjects:
        raise InvalidRequestError("a statement needs at least one subject")
    return canonical_bytes(
        {
            "_type": STATEMENT_TYPE,
            "subject": [_subject(name, digest) for name, digest in sorted(subjects.items())],
            "predicateType": predicate.predicate_type(),
            "predicate": predicate.model_dump(mode="json"),
        }
    )


def read_statement(payload: bytes, predicate: type[P]) -> Statement[P]:
    """Read bytes that must be a statement of this kind; verify their envelope first.

    Raises:
        MalformedFileError: if they are anything else; the message names the place.
    """
    wire = _read(payload)
    if wire.predicate_type != predicate.predicate_type():
        raise MalformedFileError(
            f"the statement is of type {wire.predicate_type!r},"
            f" expected {predicate.predicate_type()!r}"
        )
    return _statement(payload, wire, predicate)


def read_any_statement(payload: bytes) -> Statement[Predicate]:
    """Read a statement of whichever kind it says it is; verify its envelope first.

    Raises:
        MalformedFileError: if it is none of the known kinds.
    """
    wire = _read(payload)
    predicate = _BY_TYPE.get(wire.predicate_type)
    if predicate is None:
        raise MalformedFileError(
            f"statements of type {wire.predicate_type!r} are unknown;"
            f" known: {', '.join(sorted(_BY_TYPE))}"
        )
    return _statement(payload, wire, predicate)


class _Subject(BaseModel):
    model_config = ConfigDict(frozen=True)
    name: str
    digest: dict[str, str]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True)
    type_: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: Annotated[tuple[_Subject, ...], Field(min_length=1)]
    predicate_type: str = Field(alias="predicateType")
    predicate: dict[str, Any]


def _subject(name: str, digest: str) -> dict[str, Any]:
    if not is_digest(digest):
        raise InvalidRequestError(f"subject {name!r} is not named by a digest but by {digest!r}")
    algorithm, _, value = digest.partition(":")
    return {"name": name, "digest": {algorithm: value}}


def _read(payload: bytes) -> _Wire:
    document = read_json(payload)
    try:
        return _Wire.model_validate(document)
    except ValidationError as error:
        raise MalformedFileError(f"not an in-toto statement: {first_fault(error)}") from None


def _statement(payload: bytes, wire: _Wire, predicate: type[P]) -> Statement[P]:
    subjects = {subject.name: _digest(subject) for subject in wire.subject}
    if len(subjects) != len(wire.subject):
        raise MalformedFileError("the statement has two subjects of one name")
    try:
        said = predicate.model_validate(wire.predicate)
    except ValidationError as error:
        raise MalformedFileError(
            f"not a {predicate.kind} statement: {first_fault(error)}"
        ) from None
    return Statement(subjects=subjects, predicate=said, digest=digest_of(payload))


def _digest(subject: _Subject) -> str:
    # Others may name a subject by several algorithms; one that the platform knows is enough.
    for algorithm, value in sorted(subject.digest.items()):
        if is_digest(digest := f"{algorithm}:{value}"):
            return digest
    raise MalformedFileError(f"subject {subject.name!r} has neither a sha256 nor a blake3 digest")
