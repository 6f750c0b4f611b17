"""Reading executions, and finding the work that is left to do."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    String,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    tuple_,
)

from medperf.domain import lifecycle
from medperf.server.call import Wire
from medperf.server.db.queries import ORGANIZATION, View, by_choice, by_id, one_of, unindexed
from medperf.server.db.tables import (
    associations,
    benchmarks,
    containers,
    datasets,
    executions,
    models,
    sites,
)

IS_LIVE = one_of(executions.c.state, "granted", "running")

EXECUTION_COLUMNS = (
    executions.c.id,
    executions.c.benchmark_id,
    executions.c.model_id,
    executions.c.dataset_id,
    executions.c.site_id,
    executions.c.state,
    executions.c.failure_code,
    executions.c.failure_step,
    executions.c.resources,
    executions.c.created_at,
    executions.c.expires_at,
    executions.c.started_at,
    executions.c.ended_at,
)

_own_sites = select(sites.c.id).where(sites.c.organization_id == ORGANIZATION)
_own_benchmarks = select(benchmarks.c.id).where(benchmarks.c.organization_id == ORGANIZATION)
_own_models = select(models.c.id).where(models.c.organization_id == ORGANIZATION)
# Where a model's owner may know which site ran it.
_open_about_sites = select(benchmarks.c.id).where(
    benchmarks.c.release_detail == "per_site", ~benchmarks.c.has_pseudonymous_sites
)

EXECUTIONS = View(
    "execution",
    executions,
    EXECUTION_COLUMNS,
    or_(
        unindexed(executions.c.site_id).in_(_own_sites),
        unindexed(executions.c.benchmark_id).in_(_own_benchmarks),
        and_(
            unindexed(executions.c.model_id).in_(_own_models),
            unindexed(executions.c.benchmark_id).in_(_open_about_sites),
        ),
    ),
    {
        "state": by_choice(executions.c.state, lifecycle.EXECUTION.states),
        "benchmark_id": by_id(executions.c.benchmark_id),
        "model_id": by_id(executions.c.model_id),
        "dataset_id": by_id(executions.c.dataset_id),
        "site_id": by_id(executions.c.site_id),
    },
)

_of_dataset = associations.alias("of_dataset")
_of_model = associations.alias("of_model")
_model_container = containers.alias("model_container")
_evaluator = containers.alias("evaluator")
_NOW = bindparam("now", type_=String)
_SITE_ID = bindparam("site_id", type_=Integer)

_pair_is_taken = exists(
    select(1)
    .select_from(executions)
    .where(
        executions.c.benchmark_id == _of_dataset.c.benchmark_id,
        executions.c.model_id == _of_model.c.model_id,
        executions.c.dataset_id == _of_dataset.c.dataset_id,
        or_(
            one_of(executions.c.state, "completed", "failed"),
            and_(IS_LIVE, executions.c.expires_at > _NOW),
        ),
    )
)
_APPROVED_PAIRS = (
    select(
        _of_dataset.c.benchmark_id,
        _of_model.c.model_id,
        _of_dataset.c.dataset_id,
        _of_model.c.priority,
    )
    .select_from(_of_dataset)
    .join(datasets, datasets.c.id == _of_dataset.c.dataset_id)
    .join(benchmarks, benchmarks.c.id == _of_dataset.c.benchmark_id)
    .join(_evaluator, _evaluator.c.id == benchmarks.c.evaluator_id)
    .join(_of_model, _of_model.c.benchmark_id == benchmarks.c.id)
    .join(models, models.c.id == _of_model.c.model_id)
    .join(_model_container, _model_container.c.id == models.c.container_id)
    .where(
        datasets.c.site_id == _SITE_ID,
        datasets.c.state == "operation",
        benchmarks.c.state == "approved",
        _evaluator.c.state == "operation",
        models.c.state == "operation",
        _model_container.c.state == "operation",
        _of_dataset.c.kind == "dataset",
        _of_dataset.c.state == "approved",
        _of_model.c.kind == "model",
        _of_model.c.state == "approved",
    )
)
_WORK = (
    _APPROVED_PAIRS.where(~_pair_is_taken)
    .order_by(
        _of_model.c.priority.desc(),
        _of_dataset.c.benchmark_id,
        _of_dataset.c.dataset_id,
        _of_model.c.model_id,
    )
    .limit(1000)
)
_REVOKED = (
    select(executions.c.id)
    .where(
        executions.c.site_id == _SITE_ID,
        executions.c.state == "revoked",
        executions.c.expires_at > _NOW,
    )
    .order_by(executions.c.id)
)
_VERSION = select(sites.c.work_version).where(sites.c.id == _SITE_ID)

_GRANT_INPUTS = _APPROVED_PAIRS.with_only_columns(
    _of_dataset.c.benchmark_id,
    _of_model.c.model_id,
    _of_dataset.c.dataset_id,
    benchmarks.c.digest.label("benchmark_digest"),
    benchmarks.c.analysis_plan_digest,
    datasets.c.fingerprint.label("dataset_fingerprint"),
    *(
        column.label(f"{prefix}_{column.key}")
        for prefix, container in (("model", _model_container), ("evaluator", _evaluator))
        for column in (
            container.c.image_digest,
            container.c.parameters_digest,
            container.c.additional_files,
        )
    ),
).where(
    tuple_(_of_dataset.c.benchmark_id, _of_model.c.model_id, _of_dataset.c.dataset_id).in_(
        bindparam("pairs", expanding=True)
    )
)


def work_version(connection: Connection, site_id: int) -> int:
    """The version of a site's work."""
    return int(connection.execute(_VERSION, {"site_id": site_id}).scalar_one())


def work_items(connection: Connection, site_id: int, now: str) -> list[Wire]:
    """The pairs of a site that wait for a grant, the most wanted first; 1,000 at most."""
    found = connection.execute(_WORK, {"site_id": site_id, "now": now})
    return [dict(row._mapping) for row in found]  # noqa: SLF001


def revoked_ids(connection: Connection, site_id: int, now: str) -> list[int]:
    """Executions of a site that were revoked and would otherwise still be permitted."""
    return list(connection.execute(_REVOKED, {"site_id": site_id, "now": now}).scalars())


def grant_inputs(
    connection: Connection, site_id: int, pairs: Sequence[tuple[int, int, int]]
) -> dict[tuple[int, int, int], dict[str, Any]]:
    """By pair, everything a grant binds; pairs that are not approved on both sides are absent."""
    found = connection.execute(_GRANT_INPUTS, {"site_id": site_id, "pairs": list(pairs)})
    return {
        (row.benchmark_id, row.model_id, row.dataset_id): dict(row._mapping)  # noqa: SLF001
        for row in found
    }


def latest_of_pairs(
    connection: Connection, pairs: Sequence[tuple[int, int, int]]
) -> dict[tuple[int, int, int], Wire]:
    """By pair, its last execution."""
    found = connection.execute(
        select(executions)
        .where(
            tuple_(executions.c.benchmark_id, executions.c.model_id, executions.c.dataset_id).in_(
                bindparam("pairs", expanding=True)
            )
        )
        .order_by(executions.c.id),
        {"pairs": list(pairs)},
    )
    return {
        (row.benchmark_id, row.model_id, row.dataset_id): dict(row._mapping)  # noqa: SLF001
        for row in found
    }


def newest_version(connection: Connection) -> int:
    """The highest work version of any site."""
    return connection.execute(select(func.max(sites.c.work_version))).scalar() or 0


def changed_sites(connection: Connection, after: int) -> list[tuple[int, int]]:
    """Sites whose work changed after a version: number and version."""
    found = connection.execute(
        select(sites.c.id, sites.c.work_version).where(sites.c.work_version > after)
    )
    return [(row.id, row.work_version) for row in found]


def sites_in_benchmark(connection: Connection, benchmark_id: int) -> list[int]:
    """Sites with an approved dataset in the benchmark."""
    found = connection.execute(
        select(datasets.c.site_id)
        .distinct()
        .join_from(associations, datasets, datasets.c.id == associations.c.dataset_id)
        .where(associations.c.benchmark_id == benchmark_id, associations.c.state == "approved")
    )
    return list(found.scalars())


def runs_container(number: int) -> ColumnElement[bool]:
    """Executions whose model or evaluator runs in this container."""
    return or_(
        executions.c.model_id.in_(select(models.c.id).where(models.c.container_id == number)),
        executions.c.benchmark_id.in_(
            select(benchmarks.c.id).where(benchmarks.c.evaluator_id == number)
        ),
    )


def count_by_state(connection: Connection) -> dict[str, int]:
    """How many executions are in each state, for the operator."""
    found = connection.execute(
        select(executions.c.state, func.count().label("n")).group_by(executions.c.state)
    )
    return {row.state: row.n for row in found}


def organization_of_site(connection: Connection, site_id: int) -> int:
    """The organization that a site belongs to."""
    return int(
        connection.execute(
            select(sites.c.organization_id).where(sites.c.id == site_id)
        ).scalar_one()
    )
