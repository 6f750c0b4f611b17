"""Reading models; the container is named only to those who may see it."""

from sqlalchemy import exists, or_, select

from medperf.domain import lifecycle
from medperf.server.containers.queries import CONTAINER_IS_VISIBLE
from medperf.server.db.queries import (
    IS_ADMIN,
    ONE_BY_ONE,
    ORGANIZATION,
    View,
    by_choice,
    by_id,
    by_relation,
    by_text,
    mine,
    value_of,
)
from medperf.server.db.tables import associations, benchmarks, containers, models

_container = (
    select(containers.c.id)
    .where(containers.c.id == models.c.container_id, CONTAINER_IS_VISIBLE)
    .correlate(models)
    .scalar_subquery()
)
_takes_part = exists(
    select(1)
    .select_from(associations)
    .where(
        associations.c.model_id == models.c.id,
        associations.c.benchmark_id == value_of("benchmark_id"),
        associations.c.state == "approved",
    )
)
_in_own_benchmark = exists(
    select(1)
    .select_from(associations)
    .join(benchmarks, benchmarks.c.id == associations.c.benchmark_id)
    .where(associations.c.model_id == models.c.id, benchmarks.c.organization_id == ORGANIZATION)
    .offset(ONE_BY_ONE)
)

MODELS = View(
    "model",
    models,
    (
        models.c.id,
        models.c.name,
        models.c.version,
        models.c.description,
        _container.label("container_id"),
        models.c.organization_id,
        models.c.owner_id,
        models.c.state,
        models.c.supersedes_id,
        models.c.created_at,
    ),
    or_(
        models.c.state == "operation",
        models.c.organization_id == ORGANIZATION,
        IS_ADMIN,
        _in_own_benchmark,
    ),
    {
        "state": by_choice(models.c.state, lifecycle.MODEL.states),
        "name": by_text(models.c.name),
        "organization_id": by_id(models.c.organization_id),
        # By the container that the caller may see: a filter must not tell what is hidden.
        "container_id": by_id(_container, "container_id"),
        "benchmark_id": by_relation(_takes_part),
        "mine": mine(models.c.organization_id),
    },
)
