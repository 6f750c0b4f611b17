"""All that is known of a benchmark to the one who asks: the only input of reports and packs.

What the asker may not see is not in here, and every document says that it is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from medperf.domain.ai_models import Model
from medperf.domain.benchmarks import Benchmark
from medperf.domain.container_records import Container
from medperf.domain.datasets import Dataset
from medperf.domain.executions import Execution
from medperf.domain.identifiers import Id
from medperf.domain.leaderboards import Leaderboard, Trend
from medperf.provenance.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Proof:
    """A bundle as the server wrote it, and what verifying it against a trusted log key found."""

    bundle: bytes
    checkpoint: str
    log_key: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Dossier:
    """Records as the asker sees them.

    ``containers`` are by their number; ``organizations`` and ``sites`` are names by number;
    ``server`` is the address that was asked. ``trend`` is over versions of models, datasets and the
    benchmark, where there are earlier ones.
    """

    server: str
    benchmark: Benchmark
    leaderboard: Leaderboard
    trend: Trend | None = None
    datasets: tuple[Dataset, ...] = ()
    models: tuple[Model, ...] = ()
    containers: Mapping[Id, Container] = field(default_factory=dict)
    executions: tuple[Execution, ...] = ()
    organizations: Mapping[Id, str] = field(default_factory=dict)
    sites: Mapping[Id, str] = field(default_factory=dict)
    proof: Proof | None = None

    @property
    def committee(self) -> str:
        """Who speaks for the benchmark."""
        number = self.benchmark.organization_id
        return self.organizations.get(number, f"organization {number}")

    @property
    def evaluator(self) -> Container | None:
        """The container that scored, if the asker may see it."""
        return self.containers.get(self.benchmark.evaluator_id)

    @property
    def preparator(self) -> Container | None:
        """The container that prepared the data, if the asker may see it."""
        return self.containers.get(self.benchmark.preparator_id)

    def site_of(self, number: Id) -> str:
        """A site's name, or its number."""
        return self.sites.get(number, f"site {number}")
