"""Reading containers; a model's container is shown only to those who run it or whose it is."""

from sqlalchemy import and_, exists, or_, select

from medperf.domain import lifecycle
from medperf.domain.containers import Role
from medperf.server.db.queries import (
    IS_ADMIN,
    ONE_BY_ONE,
    ORGANIZATION,
    View,
    by_choice,
    by_id,
    by_text,
    mine,
    one_of,
)
from medperf.server.db.tables import associations, benchmarks, containers, datasets, models

_of_dataset = associations.alias("of_dataset")
_of_model = associations.alias("of_model")

_may_run_model = exists(
    # Whoever leads a benchmark in which the model takes part or asks to.
    select(1)
    .select_from(models)
    .join(_of_model, _of_model.c.model_id == models.c.id)
    .join(benchmarks, benchmarks.c.id == _of_model.c.benchmark_id)
    .where(
        models.c.container_id == containers.c.id,
        one_of(_of_model.c.state, "pending", "approved"),
        or_(
            and_(
                benchmarks.c.organization_id == ORGANIZATION,
                # A request of their own is no leave yet: the model's side has not answered.
                or_(_of_model.c.state == "approved", _of_model.c.requested_side == "subject"),
            ),
            and_(
                _of_model.c.state == "approved",
                # Whoever has a dataset in it, now that both take part.
                exists(
                    select(1)
                    .select_from(_of_dataset)
                    .join(datasets, datasets.c.id == _of_dataset.c.dataset_id)
                    .where(
                        _of_dataset.c.benchmark_id == benchmarks.c.id,
                        _of_dataset.c.state == "approved",
                        datasets.c.organization_id == ORGANIZATION,
                    )
                    .offset(ONE_BY_ONE)
                ),
            ),
        ),
    )
    .offset(ONE_BY_ONE)
)
_is_reference = exists(
    # Everyone runs it in the compatibility test of an approved benchmark.
    select(1)
    .select_from(models)
    .join(benchmarks, benchmarks.c.reference_model_id == models.c.id)
    .where(models.c.container_id == containers.c.id, benchmarks.c.state == "approved")
)
CONTAINER_IS_VISIBLE = or_(
    containers.c.organization_id == ORGANIZATION,
    IS_ADMIN,
    and_(containers.c.role != Role.MODEL.value, containers.c.state == "operation"),
    _is_reference,
    _may_run_model,
)

CONTAINERS = View(
    "container",
    containers,
    tuple(containers.c),
    CONTAINER_IS_VISIBLE,
    {
        "role": by_choice(containers.c.role, tuple(Role)),
        "state": by_choice(containers.c.state, lifecycle.CONTAINER.states),
        "name": by_text(containers.c.name),
        "organization_id": by_id(containers.c.organization_id),
        "mine": mine(containers.c.organization_id),
    },
)
