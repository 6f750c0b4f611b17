"""Facts as JSON: how a ledger keeps what a decision was based on, and how cases name facts."""

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from medperf.domain.errors import MalformedFileError
from medperf.policy.facts import AnyFacts, AssociationFacts, Facts

F = TypeVar("F", Facts, AssociationFacts)


def dump_facts(facts: AnyFacts) -> dict[str, Any]:
    """Write facts as JSON values; the same facts always give the same values."""
    document: dict[str, Any] = _adapters()[type(facts)].dump_python(facts, mode="json")
    for agreement in document["agreements"]:
        agreement["party_ids"].sort()
    return document


def load_facts(document: Mapping[str, Any], kind: type[F]) -> F:
    """Read facts from JSON values.

    Raises:
        MalformedFileError: a fact is unknown, missing or of the wrong kind; the message names it.
    """
    try:
        facts: F = _adapters()[kind].validate_python(document)
    except ValidationError as error:
        faults = (
            f"{'.'.join(str(step) for step in fault['loc'])}: {fault['msg']}"
            for fault in error.errors()
        )
        raise MalformedFileError("; ".join(faults)) from error
    return facts


@cache
def _adapters() -> dict[type[AnyFacts], TypeAdapter[Any]]:
    return {Facts: TypeAdapter(Facts), AssociationFacts: TypeAdapter(AssociationFacts)}
