"""Agreements: what organizations signed with one another, by the digest of the document."""

from enum import StrEnum
from typing import Any

from pydantic import Field, field_validator, model_validator

from medperf.domain.identifiers import Digest, Id, UtcTime
from medperf.domain.wire import Form, Record


class AgreementKind(StrEnum):
    """What an agreement is about."""

    MEMBERSHIP = "membership"
    DATA_USE = "data_use"


class AgreementForm(Form):
    """An agreement to propose; the document itself stays with the parties.

    Its term is from ``starts_at`` up to, not including, ``ends_at``. With a benchmark, a dataset or
    a model it holds for these alone.
    """

    kind: AgreementKind
    title: str = Field(min_length=3, max_length=200)
    document_digest: Digest
    document_size_bytes: int = Field(ge=1)
    party_ids: tuple[Id, ...] = Field(min_length=2, max_length=16)
    benchmark_id: Id | None = None
    dataset_id: Id | None = None
    model_id: Id | None = None
    starts_at: UtcTime
    ends_at: UtcTime

    @field_validator("title")
    @classmethod
    def _one_line(cls, title: str) -> str:
        if not title.isprintable():
            raise ValueError("a title is one line of plain text")
        return title

    @model_validator(mode="after")
    def _consistent(self) -> "AgreementForm":
        if len(set(self.party_ids)) != len(self.party_ids):
            raise ValueError("a party is named twice")
        if self.ends_at <= self.starts_at:
            raise ValueError("the term ends before it starts")
        return self


class AgreementParty(Record):
    """An organization that an agreement binds, and who signed for it, if anybody has."""

    organization_id: Id
    name: str
    signed_by: str | None = None  # "user:3"
    signed_at: UtcTime | None = None
    key_id: str | None = None  # of the person's own key; without one the server vouches
    statement: dict[str, Any] | None = None


class Agreement(Record):
    """An agreement and what became of it."""

    id: Id
    kind: AgreementKind
    title: str
    document_digest: Digest
    document_size_bytes: int
    parties: tuple[AgreementParty, ...] = ()
    benchmark_id: Id | None = None
    dataset_id: Id | None = None
    model_id: Id | None = None
    starts_at: UtcTime
    ends_at: UtcTime
    state: str
    organization_id: Id  # whose person proposed it
    owner_id: Id
    reason: str = ""
    created_at: UtcTime
    concluded_at: UtcTime | None = None
    terminated_at: UtcTime | None = None
