"""Models: the AI that is evaluated."""

from pydantic import Field

from medperf.domain.identifiers import Id, Name, UtcTime
from medperf.domain.wire import Form, Record


class ModelForm(Form):
    """A model to register. Its container must belong to the same organization."""

    name: Name
    container_id: Id
    description: str = Field(default="", max_length=4000)
    supersedes_id: Id | None = None


class Model(Record):
    """An AI model, always. ``container_id`` is None for those who may not see what runs."""

    id: Id
    name: Name
    version: int
    description: str
    container_id: Id | None
    organization_id: Id
    owner_id: Id
    state: str
    supersedes_id: Id | None = None
    created_at: UtcTime
