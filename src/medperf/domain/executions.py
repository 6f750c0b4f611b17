"""Executions: one model on one dataset for one benchmark at one site, each under its own grant."""

from typing import Any

from pydantic import Field

from medperf.domain.identifiers import Id, UtcTime
from medperf.domain.wire import Form, Record


class Pair(Form):
    """What is to be executed: the site follows from the dataset."""

    benchmark_id: Id
    model_id: Id
    dataset_id: Id


class WorkItem(Record):
    """A pair that is approved on both sides now and has neither result nor live grant."""

    benchmark_id: Id
    model_id: Id
    dataset_id: Id
    priority: int = 0


class Work(Record):
    """Everything a site could do now. ``version`` grows when this may have changed.

    ``agreements_version`` grows when an agreement of the site's organization changed.
    """

    version: int
    agreements_version: int = 0
    items: tuple[WorkItem, ...]
    revoked: tuple[Id, ...] = ()  # live-looking executions of this site that must stop


class GrantRequest(Form):
    """Ask for grants; each pair is decided alone."""

    pairs: tuple[Pair, ...] = Field(min_length=1, max_length=100)


class Execution(Record):
    """One execution as the server knows it."""

    id: Id
    benchmark_id: Id
    model_id: Id
    dataset_id: Id
    site_id: Id
    state: str
    failure_code: str | None = None
    failure_step: str | None = None
    resources: dict[str, float] | None = None
    created_at: UtcTime
    expires_at: UtcTime
    started_at: UtcTime | None = None
    ended_at: UtcTime | None = None


class Problem(Record):
    """An error as data: the same ``code`` everywhere."""

    code: str
    detail: str
    hint: str = ""


class GrantAnswer(Record):
    """A grant (DSSE envelope as JSON) with its execution, or why there is none."""

    pair: Pair
    execution: Execution | None = None
    grant: dict[str, Any] | None = None
    problem: Problem | None = None


class GrantAnswers(Record):
    """The answers, in the order of the pairs asked for."""

    answers: tuple[GrantAnswer, ...]


class Failure(Form):
    """Why an execution ended without a result: a fixed code and resource facts, never text."""

    code: str = Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")
    step: str = Field(pattern=r"^[a-z_]{1,32}$")
    resources: dict[str, float] = Field(default_factory=dict, max_length=16)
