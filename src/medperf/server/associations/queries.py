"""Reading associations: both sides see them, and admins."""

from collections.abc import Mapping

from sqlalchemy import Connection, or_, select

from medperf.domain import lifecycle
from medperf.domain.associations import AssociationKind
from medperf.server.call import Wire
from medperf.server.db.queries import IS_ADMIN, ORGANIZATION, View, by_choice, by_id, unindexed
from medperf.server.db.tables import associations, benchmarks, containers, datasets, models

_own_benchmarks = select(benchmarks.c.id).where(benchmarks.c.organization_id == ORGANIZATION)
_own_datasets = select(datasets.c.id).where(datasets.c.organization_id == ORGANIZATION)
_own_models = select(models.c.id).where(models.c.organization_id == ORGANIZATION)

ASSOCIATIONS = View(
    "association",
    associations,
    tuple(column for column in associations.c if column.key != "requested_side"),
    or_(
        unindexed(associations.c.benchmark_id).in_(_own_benchmarks),
        unindexed(associations.c.dataset_id).in_(_own_datasets),
        unindexed(associations.c.model_id).in_(_own_models),
        IS_ADMIN,
    ),
    {
        "kind": by_choice(associations.c.kind, tuple(AssociationKind)),
        "state": by_choice(associations.c.state, lifecycle.ASSOCIATION.states),
        "benchmark_id": by_id(associations.c.benchmark_id),
        "dataset_id": by_id(associations.c.dataset_id),
        "model_id": by_id(associations.c.model_id),
    },
    list_columns=tuple(
        column
        for column in associations.c
        if column.key not in {"requested_side", "policy_decision"}
    ),
)


def sides_of(connection: Connection, number: int) -> Wire:
    """An association with the organizations of its two sides, and the site of its dataset."""
    statement = (
        select(
            associations,
            benchmarks.c.organization_id.label("benchmark_organization_id"),
            benchmarks.c.state.label("benchmark_state"),
            datasets.c.organization_id.label("dataset_organization_id"),
            datasets.c.site_id,
            datasets.c.state.label("dataset_state"),
            models.c.organization_id.label("model_organization_id"),
            models.c.state.label("model_state"),
        )
        .join_from(associations, benchmarks, benchmarks.c.id == associations.c.benchmark_id)
        .outerjoin(datasets, datasets.c.id == associations.c.dataset_id)
        .outerjoin(models, models.c.id == associations.c.model_id)
        .where(associations.c.id == number)
    )
    return dict(connection.execute(statement).one()._mapping)  # noqa: SLF001


def subject_digests(connection: Connection, kind: str, number: int) -> Mapping[str, str | None]:
    """The digests of a dataset or a model, by the names of statements."""
    if kind == AssociationKind.DATASET:
        found = connection.execute(
            select(datasets.c.fingerprint).where(datasets.c.id == number)
        ).one()
        return {"dataset": found.fingerprint}
    container = connection.execute(
        select(containers)
        .join_from(models, containers, containers.c.id == models.c.container_id)
        .where(models.c.id == number)
    ).one()
    files = container.additional_files
    return {
        "model/image": container.image_digest,
        "model/parameters": container.parameters_digest,
        "model/additional_files": files and files["digest"],
    }
