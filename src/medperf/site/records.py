"""What the server registered, fetched once: records that can no longer change are kept.

A record is believed only as far as its digests hold: what a container's digest covers is digested
again here, so a server that swaps an image or a parameter is found out before anything runs.
"""

from typing import TypeVar, cast

from medperf.client.api import ServerClient
from medperf.domain.ai_models import Model
from medperf.domain.benchmarks import Benchmark
from medperf.domain.container_records import Container
from medperf.domain.errors import DigestMismatchError, NotFoundError
from medperf.domain.wire import Record
from medperf.provenance.canonical import digest_of
from medperf.site.store.connection import Component, Store

TABLES = Component(
    "records",
    (
        """
CREATE TABLE records (
  noun TEXT NOT NULL,
  id INTEGER NOT NULL,
  content TEXT NOT NULL,
  PRIMARY KEY (noun, id)
);
""",
    ),
)

R = TypeVar("R", bound=Record)
_KINDS: dict[str, type[Record]] = {
    "benchmark": Benchmark,
    "model": Model,
    "container": Container,
}
_ROUTES = {"benchmark": "benchmarks", "model": "models", "container": "containers"}
FROZEN = frozenset({"operation", "approved", "inactive", "withdrawn"})
"""States from which the content of a record does not change any more."""


class Records:
    """Benchmarks, models and containers as the server registered them."""

    def __init__(self, client: ServerClient, store: Store) -> None:
        self._client = client
        self._store = store
        self._kept: dict[tuple[str, int], Record] = {}

    def benchmark(self, number: int) -> Benchmark:
        """A benchmark, with an analysis plan that has the digest it promises."""
        found = self._get("benchmark", number, Benchmark)
        plan = found.analysis_plan.model_dump(mode="json")
        _require("analysis plan", found.analysis_plan_digest, digest_of(plan))
        return found

    def model(self, number: int) -> Model:
        """A model."""
        return self._get("model", number, Model)

    def container(self, number: int) -> Container:
        """A container that has the digest it promises."""
        return self._get("container", number, Container)

    def model_container(self, number: int) -> Container:
        """The container of a model.

        Raises:
            NotFoundError: the server does not show this site what runs.
        """
        container_id = self.model(number).container_id
        if container_id is None:
            raise NotFoundError(f"the container of model {number} is not visible to this site")
        return self.container(container_id)

    def name(self, noun: str, number: int) -> str:
        """The name of something that was fetched before; its number otherwise. Never asks."""
        record = self._kept.get((noun, number)) or self._load(noun, number)
        return str(getattr(record, "name", "")) or f"{noun} {number}"

    def _get(self, noun: str, number: int, kind: type[R]) -> R:
        found = self._kept.get((noun, number)) or self._load(noun, number)
        if isinstance(found, kind):
            return found
        record = cast("R", getattr(self._client, _ROUTES[noun]).get(number))
        if isinstance(record, Container):
            _require("container", record.digest, container_digest(record))
        if getattr(record, "state", "") in FROZEN:
            self._keep(noun, number, record)
        return record

    def _keep(self, noun: str, number: int, record: Record) -> None:
        with self._store.transaction() as tx:
            tx.execute(
                "INSERT OR REPLACE INTO records VALUES (?, ?, ?)",
                (noun, number, record.model_dump_json()),
            )
        self._kept[noun, number] = record

    def _load(self, noun: str, number: int) -> Record | None:
        row = self._store.row(
            "SELECT content FROM records WHERE noun = ? AND id = ?", (noun, number)
        )
        if row is None:
            return None
        record = _KINDS[noun].model_validate_json(row["content"])
        self._kept[noun, number] = record
        return record


def container_digest(container: Container) -> str:
    """The digest over all of a container that can change a result."""
    additional = container.additional_files
    return digest_of(
        {
            "config": container.config,
            "image_digest": container.image_digest,
            "parameters": container.parameters,
            "additional_files": additional.model_dump(mode="json") if additional else None,
        }
    )


def _require(what: str, promised: str, found: str) -> None:
    if promised != found:
        raise DigestMismatchError(
            f"the server's {what} has the digest {found}, it promises {promised}",
            expected=promised,
            found=found,
        )
