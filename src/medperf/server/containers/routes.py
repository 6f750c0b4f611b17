"""``/containers``."""

from typing import Any

from medperf.domain import lifecycle
from medperf.domain.container_records import Container, ContainerForm
from medperf.server.call import Call, Wire
from medperf.server.containers import service
from medperf.server.containers.queries import CONTAINERS
from medperf.server.routing import Number, Routes

routes = Routes("containers")
routes.view("/containers", CONTAINERS, Container)


@routes.write("/containers", Container, status=201)
def register_container(call: Call, form: ContainerForm) -> Wire:
    """Register a container; it starts in development."""
    return service.register(call, form)


@routes.write("/containers/{number}", Container, method="PATCH")
def edit_container(call: Call, number: Number, changes: dict[str, Any]) -> Wire:
    """Change a container that is still in development; fields as in registering."""
    return service.edit(call, number, changes)


routes.lifecycle("/containers", Container, lifecycle.CONTAINER, service.act)
