"""Registering containers; what is registered is what runs, named by digest."""

from typing import Any

from pydantic import ValidationError

from medperf.domain import lifecycle
from medperf.domain.container_records import ContainerForm
from medperf.domain.containers import ContainerConfig, faults
from medperf.domain.errors import ContainerConfigError
from medperf.domain.wire import first_fault
from medperf.provenance.canonical import digest_of
from medperf.server.acts import find_act, perform, sides_of_owner
from medperf.server.call import Call, Wire
from medperf.server.containers.queries import CONTAINERS
from medperf.server.db.tables import containers
from medperf.server.db.writing import add, change, record
from medperf.server.executions.revoking import revoke_for_container
from medperf.server.people.service import require_person
from medperf.server.registering import edited, next_version, registered, to_edit


def get(call: Call, number: int) -> Wire:
    """One container."""
    return CONTAINERS.one(call.connection, call.caller, number)


def register(call: Call, form: ContainerForm) -> Wire:
    """A person registers a container for their organization."""
    owner = require_person(call, "register a container")
    organization = call.caller.organization_id or 0
    version = next_version(call, CONTAINERS, form.name, organization, form.supersedes_id)
    number = add(
        call,
        containers,
        version=version,
        organization_id=organization,
        owner_id=owner,
        state=lifecycle.CONTAINER.initial,
        supersedes_id=form.supersedes_id,
        created_at=call.now,
        role=form.role.value,
        **_values(form),
    )
    registered(call, "container", number)
    return get(call, number)


def edit(call: Call, number: int, changes: dict[str, Any]) -> Wire:
    """Change a container that is still in development."""
    thing = to_edit(call, CONTAINERS, lifecycle.CONTAINER, number)
    form = edited(ContainerForm, thing, changes)
    change(call, containers, number, **_values(form))
    record(call, "container.edit", f"container:{number}", fields=sorted(changes))
    return get(call, number)


def act(call: Call, number: int, action: str, reason: str) -> Wire:
    """Submit or withdraw; withdrawing stops what runs in it."""
    thing = get(call, number)
    found = find_act(lifecycle.CONTAINER, thing["state"], action, sides_of_owner(call, thing))
    perform(call, lifecycle.CONTAINER, containers, thing, found, why=reason)
    if found.target == "withdrawn":
        revoke_for_container(call, number)
    return get(call, number)


def _values(form: ContainerForm) -> Wire:
    _require_sound(form)
    content = {
        "config": form.config,
        "image_digest": form.image_digest,
        "parameters": form.parameters,
        "additional_files": form.additional_files and form.additional_files.model_dump(),
    }
    return {
        "name": form.name,
        **content,
        "parameters_digest": None if form.parameters is None else digest_of(form.parameters),
        "digest": digest_of(content),
    }


def _require_sound(form: ContainerForm) -> None:
    try:
        config = ContainerConfig.model_validate(form.config)
    except ValidationError as error:
        raise ContainerConfigError(first_fault(error, "the config")) from None
    found = faults(config, form.role)
    if found:
        raise ContainerConfigError(
            "; ".join(str(fault) for fault in found[:5]),
            faults=[fault.model_dump(mode="json") for fault in found[:50]],
        )
