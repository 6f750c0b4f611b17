"""Registering models. A model's container is its owner's own, always."""

from typing import Any

from medperf.domain import lifecycle
from medperf.domain.ai_models import ModelForm
from medperf.domain.containers import Role
from medperf.domain.errors import ForbiddenError, InvalidRequestError, NotOperationalError
from medperf.server.acts import find_act, perform, sides_of_owner
from medperf.server.ai_models.queries import MODELS
from medperf.server.call import Call, Wire
from medperf.server.containers.queries import CONTAINERS
from medperf.server.db.queries import row
from medperf.server.db.tables import containers, models
from medperf.server.db.writing import add, change, record
from medperf.server.executions.revoking import revoke_for_model
from medperf.server.people.service import require_person
from medperf.server.registering import edited, next_version, registered, to_edit


def get(call: Call, number: int) -> Wire:
    """One model."""
    return MODELS.one(call.connection, call.caller, number)


def register(call: Call, form: ModelForm) -> Wire:
    """A person registers a model for their organization."""
    owner = require_person(call, "register a model")
    organization = call.caller.organization_id or 0
    _require_own_container(call, form.container_id)
    version = next_version(call, MODELS, form.name, organization, form.supersedes_id)
    number = add(
        call,
        models,
        name=form.name,
        version=version,
        description=form.description,
        container_id=form.container_id,
        organization_id=organization,
        owner_id=owner,
        state=lifecycle.MODEL.initial,
        supersedes_id=form.supersedes_id,
        created_at=call.now,
    )
    registered(call, "model", number)
    return get(call, number)


def edit(call: Call, number: int, changes: dict[str, Any]) -> Wire:
    """Change a model that is still in development."""
    form = edited(ModelForm, to_edit(call, MODELS, lifecycle.MODEL, number), changes)
    _require_own_container(call, form.container_id)
    change(
        call,
        models,
        number,
        name=form.name,
        description=form.description,
        container_id=form.container_id,
    )
    record(call, "model.edit", f"model:{number}", fields=sorted(changes))
    return get(call, number)


def act(call: Call, number: int, action: str, reason: str) -> Wire:
    """Submit or withdraw; withdrawing stops what runs of it."""
    thing = get(call, number)
    found = find_act(lifecycle.MODEL, thing["state"], action, sides_of_owner(call, thing))
    if found.target == "operation":
        container = row(call.connection, containers, containers.c.id == thing["container_id"])
        if container is None or container["state"] != "operation":
            raise NotOperationalError(
                f"container {thing['container_id']} is not operational; submit it first"
            )
    perform(call, lifecycle.MODEL, models, thing, found, why=reason)
    if found.target == "withdrawn":
        revoke_for_model(call, number)
    return get(call, number)


def _require_own_container(call: Call, number: int) -> None:
    container = CONTAINERS.one(call.connection, call.caller, number)
    if container["organization_id"] != call.caller.organization_id:
        raise ForbiddenError(f"container {number} belongs to another organization")
    if container["role"] != Role.MODEL:
        raise InvalidRequestError(f"container {number} is a {container['role']}, not a model")
