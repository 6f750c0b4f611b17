"""What a compatibility test is given, and how it went."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from medperf.domain.benchmarks import AnalysisPlan
from medperf.domain.container_records import Container
from medperf.domain.errors import MedPerfError

State = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Workflow:
    """What is tested together. Without a plan the results are only read, not examined."""

    model: Container
    evaluator: Container
    plan: AnalysisPlan | None
    preparator: Container | None = None
    """None where the data are prepared already."""


@dataclass(frozen=True, slots=True)
class WorkflowData:
    """Raw data for a workflow with a preparator, prepared data for one without."""

    data_path: Path
    labels_path: Path
    n_cases: int | None = None


@dataclass(frozen=True, slots=True)
class PartReport:
    """One part of the test. ``message`` is for the person who runs it and never leaves."""

    name: str
    state: State
    seconds: float = 0.0
    message: str = ""
    log_path: Path | None = None


@dataclass(frozen=True, slots=True)
class CompatibilityReport:
    """How the test went. Statistics and document are those of the data it ran on."""

    parts: tuple[PartReport, ...]
    error: MedPerfError | None = None
    statistics: dict[str, Any] | None = None
    document: dict[str, Any] | None = None
    tested: Mapping[str, str] = field(default_factory=dict)
    """The digest of each container, by role."""

    @property
    def has_passed(self) -> bool:
        """Whether every part that the workflow has did what it must."""
        return self.error is None

    def outcome(self) -> dict[str, Any]:
        """What backs an association: what ran, whether it passed, how long; no result, no text."""
        return {
            "passed": self.has_passed,
            "failure": self.error.code if self.error else None,
            "parts": {
                part.name: {"state": part.state, "seconds": round(part.seconds, 3)}
                for part in self.parts
            },
            "tested": dict(self.tested),
        }
