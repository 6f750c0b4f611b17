"""``/datasets``."""

from typing import Any

from medperf.domain import lifecycle
from medperf.domain.datasets import Dataset, DatasetForm
from medperf.server.call import Call, Wire
from medperf.server.datasets import service
from medperf.server.datasets.queries import DATASETS
from medperf.server.routing import Number, Routes

routes = Routes("datasets")
routes.view("/datasets", DATASETS, Dataset)


@routes.write("/datasets", Dataset, status=201)
def register_dataset(call: Call, form: DatasetForm) -> Wire:
    """Register a dataset; it starts in development."""
    return service.register(call, form)


@routes.write("/datasets/{number}", Dataset, method="PATCH")
def edit_dataset(call: Call, number: Number, changes: dict[str, Any]) -> Wire:
    """Change a dataset that is still in development; fields as in registering."""
    return service.edit(call, number, changes)


routes.lifecycle("/datasets", Dataset, lifecycle.DATASET, service.act)
