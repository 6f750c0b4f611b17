"""Datasets: prepared, fingerprinted, registered sets that never leave their site."""

from typing import Any

from pydantic import Field

from medperf.domain.identifiers import Digest, Id, Name, UtcTime
from medperf.domain.wire import Form, Record


class DatasetForm(Form):
    """A dataset a site registers: metadata only.

    ``statement`` is the site's signed ``dataset`` statement (a DSSE envelope as JSON), which names
    the same fingerprint and preparator.
    """

    name: Name
    description: str = Field(default="", max_length=4000)
    preparator_id: Id
    fingerprint: Digest
    n_cases: int = Field(ge=0)
    statistics: dict[str, Any]
    statement: dict[str, Any]
    supersedes_id: Id | None = None


class Dataset(Record):
    """A registered dataset. ``statistics`` is None for those who do not need them."""

    id: Id
    name: Name
    version: int
    description: str
    preparator_id: Id
    fingerprint: Digest
    n_cases: int
    statistics: dict[str, Any] | None = None
    site_id: Id
    organization_id: Id
    state: str
    supersedes_id: Id | None = None
    created_at: UtcTime
