"""Reading benchmarks, and what a leaderboard is made of."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    true,
    type_coerce,
)

from medperf.domain import lifecycle
from medperf.domain.errors import NotFoundError
from medperf.server.call import Caller, Wire
from medperf.server.db.queries import (
    IS_ADMIN,
    ORGANIZATION,
    View,
    by_choice,
    by_id,
    by_text,
    mine,
    numbered,
    one_of,
)
from medperf.server.db.tables import (
    associations,
    benchmarks,
    datasets,
    executions,
    models,
    organizations,
    results,
    sites,
)

_takes_part = exists(
    select(1)
    .select_from(associations)
    .outerjoin(datasets, datasets.c.id == associations.c.dataset_id)
    .outerjoin(models, models.c.id == associations.c.model_id)
    .where(
        associations.c.benchmark_id == benchmarks.c.id,
        or_(
            datasets.c.organization_id == ORGANIZATION,
            models.c.organization_id == ORGANIZATION,
        ),
    )
)

BENCHMARKS = View(
    "benchmark",
    benchmarks,
    tuple(
        column
        for column in benchmarks.c
        if column.key
        not in {
            "release_audience",
            "release_detail",
            "release_moment",
            "has_pseudonymous_sites",
            "is_complete",
        }
    ),
    or_(
        one_of(benchmarks.c.state, "approved", "inactive"),
        benchmarks.c.organization_id == ORGANIZATION,
        IS_ADMIN,
        _takes_part,
    ),
    {
        "state": by_choice(benchmarks.c.state, lifecycle.BENCHMARK.states),
        "name": by_text(benchmarks.c.name),
        "organization_id": by_id(benchmarks.c.organization_id),
        "mine": mine(benchmarks.c.organization_id),
    },
)

_of_dataset = associations.alias("of_dataset")
_of_model = associations.alias("of_model")
_IS_INCOMPLETE = select(
    exists(
        select(1)
        .select_from(_of_dataset)
        .join(_of_model, _of_model.c.benchmark_id == _of_dataset.c.benchmark_id)
        .where(
            _of_dataset.c.benchmark_id == bindparam("benchmark_id"),
            _of_dataset.c.kind == "dataset",
            _of_dataset.c.state == "approved",
            _of_model.c.kind == "model",
            _of_model.c.state == "approved",
            ~exists(
                select(1)
                .select_from(results)
                .where(
                    results.c.benchmark_id == _of_dataset.c.benchmark_id,
                    results.c.dataset_id == _of_dataset.c.dataset_id,
                    results.c.model_id == _of_model.c.model_id,
                    results.c.state == "approved",
                )
            ),
        )
    )
)
_HAS_RESULT = select(
    exists(
        select(1)
        .select_from(results)
        .where(results.c.benchmark_id == bindparam("benchmark_id"), results.c.state == "approved")
    )
)

_IS_APPROVED = results.c.state == "approved"


def is_complete(connection: Connection, benchmark_id: int) -> bool:
    """Whether every approved model has an approved result on every approved dataset."""
    given = {"benchmark_id": benchmark_id}
    has_gap = connection.execute(_IS_INCOMPLETE, given).scalar()
    return not has_gap and bool(connection.execute(_HAS_RESULT, given).scalar())


def whole(connection: Connection, benchmark_id: int) -> Wire:
    """A benchmark's row with the columns that queries decide by."""
    found = numbered(connection, benchmarks, benchmark_id)
    if found is None:
        raise NotFoundError(f"there is no benchmark {benchmark_id}")
    return found


def participates(connection: Connection, caller: Caller, benchmark_id: int) -> bool:
    """Whether the caller's organization has an approved association."""
    statement = (
        select(associations.c.id)
        .outerjoin(datasets, datasets.c.id == associations.c.dataset_id)
        .outerjoin(models, models.c.id == associations.c.model_id)
        .where(
            associations.c.benchmark_id == benchmark_id,
            associations.c.state == "approved",
            or_(
                datasets.c.organization_id == caller.organization_id,
                models.c.organization_id == caller.organization_id,
            ),
        )
        .limit(1)
    )
    return connection.execute(statement).first() is not None


def approved_datasets(connection: Connection, benchmark_id: int) -> dict[int, int | None]:
    """The datasets that take part, each with the one that it supersedes."""
    statement = (
        select(datasets.c.id, datasets.c.supersedes_id)
        .join_from(associations, datasets, datasets.c.id == associations.c.dataset_id)
        .where(
            associations.c.benchmark_id == benchmark_id,
            associations.c.kind == "dataset",
            associations.c.state == "approved",
        )
    )
    return {row.id: row.supersedes_id for row in connection.execute(statement)}


def entered_models(connection: Connection, benchmark_id: int) -> list[Wire]:
    """The models that take part, with their organizations."""
    statement = (
        select(
            models.c.id,
            models.c.name,
            models.c.version,
            models.c.supersedes_id,
            models.c.organization_id,
            organizations.c.name.label("organization"),
        )
        .join_from(associations, models, models.c.id == associations.c.model_id)
        .join(organizations, organizations.c.id == models.c.organization_id)
        .where(associations.c.benchmark_id == benchmark_id, associations.c.state == "approved")
        .order_by(models.c.id)
    )
    return [dict(row._mapping) for row in connection.execute(statement)]  # noqa: SLF001


def versions_of_datasets(connection: Connection, numbers: Collection[int]) -> list[Wire]:
    """Which version of what each of these datasets is, in order of their numbers."""
    statement = (
        select(datasets.c.id, datasets.c.name, datasets.c.version, datasets.c.supersedes_id)
        .where(datasets.c.id.in_(numbers))
        .order_by(datasets.c.id)
    )
    return [dict(row._mapping) for row in connection.execute(statement)]  # noqa: SLF001


def shown_results(
    connection: Connection,
    caller: Caller,
    benchmark_id: int,
    *,
    states: tuple[str, ...],
    sees_all: bool,
) -> list[Wire]:
    """Results with their sites: the caller's own, and those in the states that may be seen.

    Without their documents, which are large.
    """
    statement = (
        select(
            results.c.id,
            results.c.model_id,
            results.c.dataset_id,
            datasets.c.supersedes_id,
            results.c.statement_digest,
            executions.c.resources,
            sites.c.id.label("site_id"),
            sites.c.name.label("site"),
            sites.c.organization_id,
        )
        .join_from(results, sites, sites.c.id == results.c.site_id)
        .join(models, models.c.id == results.c.model_id)
        .join(executions, executions.c.id == results.c.execution_id)
        .join(datasets, datasets.c.id == results.c.dataset_id)
        .where(_are_shown(caller, benchmark_id, states, sees_all))
        .order_by(results.c.id)
    )
    return [dict(row._mapping) for row in connection.execute(statement)]  # noqa: SLF001


def result_documents(
    connection: Connection,
    caller: Caller,
    benchmark_id: int,
    *,
    states: tuple[str, ...],
    sees_all: bool,
    of_models: Collection[int] | None = None,
) -> dict[int, str]:
    """The documents of these results as JSON text, by the results' numbers."""
    statement = (
        select(results.c.id, type_coerce(results.c.document, Text()))
        .join_from(results, sites, sites.c.id == results.c.site_id)
        .join(models, models.c.id == results.c.model_id)
        .where(_are_shown(caller, benchmark_id, states, sees_all))
    )
    if of_models is not None:
        statement = statement.where(results.c.model_id.in_(of_models))
    return {row[0]: row[1] for row in connection.execute(statement)}


def _are_shown(
    caller: Caller, benchmark_id: int, states: tuple[str, ...], sees_all: bool
) -> ColumnElement[bool]:
    own_model = models.c.organization_id == caller.organization_id
    seen: ColumnElement[bool] = true() if sees_all else own_model
    return and_(
        results.c.benchmark_id == benchmark_id,
        or_(
            and_(sites.c.organization_id == caller.organization_id, _IS_APPROVED),
            and_(results.c.state.in_(states), seen),
        ),
    )


def failed_executions(connection: Connection, benchmark_id: int) -> Mapping[int, int]:
    """By model, how many executions failed and were not retried."""
    statement = (
        select(executions.c.model_id, func.count().label("n"))
        .where(executions.c.benchmark_id == benchmark_id, executions.c.state == "failed")
        .group_by(executions.c.model_id)
    )
    counted: dict[int, Any] = {row.model_id: row.n for row in connection.execute(statement)}
    return counted
