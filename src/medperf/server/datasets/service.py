"""Registering datasets: their site says what they are, in a statement that it signs."""

from typing import Any

from medperf.domain import lifecycle
from medperf.domain.containers import Role
from medperf.domain.datasets import DatasetForm
from medperf.domain.errors import (
    DuplicateError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    NotOperationalError,
)
from medperf.domain.lifecycle import Side
from medperf.provenance.canonical import digest_of
from medperf.provenance.envelope import Envelope, verify
from medperf.provenance.keys import PublicKey
from medperf.provenance.predicates import DatasetPredicate
from medperf.provenance.statements import read_statement
from medperf.server.acts import find_act, perform, sides_of_owner
from medperf.server.call import Call, Wire
from medperf.server.containers.queries import CONTAINERS
from medperf.server.datasets.queries import DATASETS
from medperf.server.db.queries import row
from medperf.server.db.tables import containers, datasets, sites
from medperf.server.db.writing import add, change, record
from medperf.server.executions.revoking import revoke_for_dataset
from medperf.server.log.appending import Said, append
from medperf.server.registering import edited, next_version, registered, to_edit
from medperf.server.sites.queries import active_keys

EDITABLE = {"name", "description"}
"""The rest is what the site signed."""


def get(call: Call, number: int) -> Wire:
    """One dataset."""
    return DATASETS.one(call.connection, call.caller, number)


def register(call: Call, form: DatasetForm) -> Wire:
    """A site, or a person of its organization, registers what the site signed."""
    container = CONTAINERS.one(call.connection, call.caller, form.preparator_id)
    if container["role"] != Role.PREPARATOR:
        raise InvalidRequestError(f"container {form.preparator_id} is no preparator")
    site = _verified_site(call, form, container)
    organization = site["organization_id"]
    version = next_version(call, DATASETS, form.name, organization, form.supersedes_id)
    _require_new(call, form, site)
    number = add(
        call,
        datasets,
        name=form.name,
        version=version,
        description=form.description,
        preparator_id=form.preparator_id,
        fingerprint=form.fingerprint,
        n_cases=form.n_cases,
        statistics=form.statistics,
        statement=form.statement,
        site_id=site["id"],
        organization_id=organization,
        state=lifecycle.DATASET.initial,
        supersedes_id=form.supersedes_id,
        created_at=call.now,
    )
    registered(call, "dataset", number)
    append(call, Said("dataset", f"dataset:{number}", Envelope.from_value(form.statement)))
    return get(call, number)


def edit(call: Call, number: int, changes: dict[str, Any]) -> Wire:
    """Change the name or description of a dataset that is still in development."""
    thing = to_edit(call, DATASETS, lifecycle.DATASET, number)
    _require_speaker(call, thing)
    if changes.keys() - EDITABLE:
        raise InvalidRequestError(f"of a dataset only {', '.join(sorted(EDITABLE))} can be changed")
    form = edited(DatasetForm, thing, changes)
    change(call, datasets, number, name=form.name, description=form.description)
    record(call, "dataset.edit", f"dataset:{number}", fields=sorted(changes))
    return get(call, number)


def act(call: Call, number: int, action: str, reason: str) -> Wire:
    """Submit or withdraw; withdrawing stops what runs on it."""
    thing = get(call, number)
    sides = sides_of_owner(call, thing)
    if call.caller.site_id is not None and call.caller.site_id == thing["site_id"]:
        sides.add(Side.OWNER)
    found = find_act(lifecycle.DATASET, thing["state"], action, sides)
    if found.target == "operation":
        preparator = row(call.connection, containers, containers.c.id == thing["preparator_id"])
        if preparator is None or preparator["state"] != "operation":
            raise NotOperationalError(f"preparator {thing['preparator_id']} is not operational")
    perform(call, lifecycle.DATASET, datasets, thing, found, why=reason)
    if found.target == "withdrawn":
        revoke_for_dataset(call, number)
    return get(call, number)


def _require_speaker(call: Call, dataset: Wire) -> None:
    if call.caller.site_id not in {None, dataset["site_id"]}:
        raise ForbiddenError(f"dataset {dataset['id']} is another site's")


def _verified_site(call: Call, form: DatasetForm, preparator: Wire) -> Wire:
    envelope = Envelope.from_value(form.statement)
    said_by = read_statement(envelope.content, DatasetPredicate).predicate
    site = row(call.connection, sites, sites.c.id == said_by.site_id)
    caller = call.caller
    if site is None or (caller.site_id is not None and caller.site_id != site["id"]):
        raise NotFoundError(f"the statement names site {said_by.site_id}, which is not yours")
    if site["organization_id"] != caller.organization_id:
        raise ForbiddenError(f"site {site['id']} belongs to another organization")
    keys = {
        key_id: PublicKey.from_text(text)
        for key_id, text in active_keys(call.connection, site["id"]).items()
    }
    statement = read_statement(verify(envelope, keys), DatasetPredicate)
    said = statement.predicate
    differing = [
        name
        for name, one, other in (
            ("fingerprint", said.fingerprint, form.fingerprint),
            ("statistics", said.statistics_digest, digest_of(form.statistics)),
            ("preparator image", said.preparator_image_digest, preparator["image_digest"]),
            (
                "preparator parameters",
                said.preparator_parameters_digest,
                preparator["parameters_digest"],
            ),
            ("subjects", dict(statement.subjects), said.subjects()),
        )
        if one != other
    ]
    if differing:
        raise InvalidRequestError(
            f"the site's statement says otherwise than the form: {', '.join(differing)}"
        )
    return site


def _require_new(call: Call, form: DatasetForm, site: Wire) -> None:
    known = row(
        call.connection,
        datasets,
        datasets.c.site_id == site["id"],
        datasets.c.fingerprint == form.fingerprint,
        datasets.c.preparator_id == form.preparator_id,
        datasets.c.state != "withdrawn",
    )
    if known is not None:
        raise DuplicateError(
            f"these files are dataset {known['id']} already",
            hint="Use that one, or withdraw it first.",
        )
