"""A container as the server registers it: config, digests, parameters, additional files.

The contract that the config itself obeys is ``medperf.domain.containers``.
"""

from typing import Any

from pydantic import Field

from medperf.domain.containers import Role
from medperf.domain.identifiers import Digest, Id, Name, UtcTime
from medperf.domain.wire import Form, Record


class FileReference(Form):
    """A file that somebody hosts: where it is and what its bytes must be."""

    url: str = Field(min_length=1, max_length=2000)
    digest: Digest


class ContainerForm(Form):
    """A container to register. ``config`` is the parsed ``container_config.yaml``.

    ``image_digest`` is what runs everywhere: the image by digest, or the sha256 of an archive.
    """

    name: Name
    role: Role
    config: dict[str, Any]
    image_digest: Digest
    parameters: dict[str, Any] | None = None
    additional_files: FileReference | None = None
    supersedes_id: Id | None = None


class Container(Record):
    """A registered containerized component; ``digest`` covers all that can change a result."""

    id: Id
    name: Name
    version: int
    role: Role
    config: dict[str, Any]
    image_digest: Digest
    parameters: dict[str, Any] | None = None
    parameters_digest: Digest | None = None
    additional_files: FileReference | None = None
    digest: Digest
    organization_id: Id
    owner_id: Id
    state: str
    supersedes_id: Id | None = None
    created_at: UtcTime

    @property
    def has_separate_labels(self) -> bool:
        """Whether a preparator writes labels apart; older ones leave them with the data."""
        # The config is whatever the server sent; a step is what refuses one that is none.
        tasks = self.config.get("tasks")
        prepare = tasks.get("prepare") if isinstance(tasks, dict) else None
        if not isinstance(prepare, dict):
            return True
        outputs = prepare.get("output_volumes")
        return isinstance(outputs, dict) and "output_labels_path" in outputs
