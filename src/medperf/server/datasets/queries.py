"""Reading datasets; statistics only for those who decide by them."""

from sqlalchemy import case, exists, null, or_, select

from medperf.domain import lifecycle
from medperf.server.db.queries import (
    IS_ADMIN,
    ONE_BY_ONE,
    ORGANIZATION,
    View,
    by_choice,
    by_digest,
    by_id,
    by_relation,
    by_text,
    mine,
    value_of,
)
from medperf.server.db.tables import associations, benchmarks, datasets

_own = datasets.c.organization_id == ORGANIZATION
_asks_own_benchmark = exists(
    select(1)
    .select_from(associations)
    .join(benchmarks, benchmarks.c.id == associations.c.benchmark_id)
    .where(
        associations.c.dataset_id == datasets.c.id,
        benchmarks.c.organization_id == ORGANIZATION,
    )
    .offset(ONE_BY_ONE)
)
_decides_by_it = or_(_own, _asks_own_benchmark)
_visible = or_(_decides_by_it, IS_ADMIN)
# Whoever sees a dataset and is no admin decides by it, which need not be found out twice.
_statistics = case((or_(~IS_ADMIN, _decides_by_it), datasets.c.statistics), else_=null())
_takes_part = exists(
    select(1)
    .select_from(associations)
    .where(
        associations.c.dataset_id == datasets.c.id,
        associations.c.benchmark_id == value_of("benchmark_id"),
        associations.c.state == "approved",
    )
)

DATASETS = View(
    "dataset",
    datasets,
    (
        datasets.c.id,
        datasets.c.name,
        datasets.c.version,
        datasets.c.description,
        datasets.c.preparator_id,
        datasets.c.fingerprint,
        datasets.c.n_cases,
        _statistics.label("statistics"),
        datasets.c.site_id,
        datasets.c.organization_id,
        datasets.c.state,
        datasets.c.supersedes_id,
        datasets.c.created_at,
    ),
    _visible,
    {
        "state": by_choice(datasets.c.state, lifecycle.DATASET.states),
        "name": by_text(datasets.c.name),
        "preparator_id": by_id(datasets.c.preparator_id),
        "site_id": by_id(datasets.c.site_id),
        "benchmark_id": by_relation(_takes_part),
        "fingerprint": by_digest(datasets.c.fingerprint),
        "mine": mine(datasets.c.organization_id),
    },
)
