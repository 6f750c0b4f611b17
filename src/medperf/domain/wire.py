"""The two shapes everything on the wire has: forms go in, records come out; and what is none."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

T = TypeVar("T")


class Form(BaseModel):
    """What a client sends: an unknown field is a mistake and refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, serialize_by_alias=True
    )


class Record(BaseModel):
    """What the server answers: a newer server may say more than an older client knows."""

    model_config = ConfigDict(frozen=True, extra="ignore", serialize_by_alias=True)


class Page(Record, Generic[T]):
    """One page of a list; ``next_cursor`` is None on the last one."""

    items: tuple[T, ...]
    next_cursor: str | None = None


class Reason(Form):
    """Why a person decided as they did; shown to the other side.

    ``statement`` is the decision as the log will hold it, a DSSE envelope as JSON that the person
    signed with their own key; whoever registered one decides with it.
    """

    reason: str = ""
    statement: dict[str, Any] | None = None


def first_fault(error: ValidationError, whole: str = "the document") -> str:
    """Where a value is not what it must be, and why: the first fault, in one line.

    ``whole`` names the value itself, where no part of it is wrong alone.
    """
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc']) or whole}: {first['msg']}"
