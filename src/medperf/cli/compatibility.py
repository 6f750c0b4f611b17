"""What a compatibility test runs: local folders, and what a registered benchmark fills in."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from medperf.cli.benchmark_form import read_plan
from medperf.cli.connection import client, find_number
from medperf.cli.container_form import Offer, form_of
from medperf.cli.hosted import address_of, digest_at
from medperf.cli.progress import waiting
from medperf.client.api import ServerClient
from medperf.domain.ai_models import Model
from medperf.domain.benchmarks import AnalysisPlan
from medperf.domain.container_records import Container, FileReference
from medperf.domain.errors import InvalidRequestError, NotFoundError
from medperf.runners.base import Limits
from medperf.runners.selection import standard_runners
from medperf.site.assets import Assets
from medperf.site.compatibility import CompatibilityTest, local_record
from medperf.site.compatibility_report import CompatibilityReport, Workflow, WorkflowData
from medperf.site.demo_data import read_demo_data
from medperf.site.steps import Steps

ROLES = ("preparator", "model", "evaluator")


@dataclass(frozen=True, slots=True)
class Part:
    """One container as it was given on the command line."""

    path: str | None = None
    parameters: Path | None = None
    additional_files: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """One test as it was asked for."""

    parts: Mapping[str, Part]
    benchmark: str | None = None
    plan: Path | None = None
    demo_dataset: str | None = None
    prepared: tuple[Path, Path] | None = None
    keep: Path | None = None
    runner: str | None = None
    allow_bare: bool = False
    model_id: int | None = None
    """A registered model to test instead of the benchmark's reference model."""
    limits: Limits = field(default_factory=Limits)


@dataclass(slots=True)
class _Registered:
    """What a benchmark of the server fills in."""

    containers: dict[str, Container] = field(default_factory=dict)
    plan: AnalysisPlan | None = None
    demo_dataset: FileReference | None = None


def run(
    wanted: Wanted, look: Callable[[CompatibilityReport], None] = lambda _: None
) -> CompatibilityReport:
    """Run the test; ``look`` sees the report while the logs that it names are there.

    Raises:
        InvalidRequestError: something is neither given nor registered.
        MedPerfError: a container or the demo dataset cannot be had.
    """
    known = _registered(wanted) if wanted.benchmark else _Registered()
    workflow = Workflow(
        model=_needed(wanted, known, "model"),
        evaluator=_needed(wanted, known, "evaluator"),
        plan=read_plan(wanted.plan) if wanted.plan else known.plan,
        preparator=None if wanted.prepared else _needed(wanted, known, "preparator"),
    )
    with _folder(wanted.keep) as folder:
        assets = Assets(folder / "assets", allow_local=True)
        runners = standard_runners(folder / "runner", allow_bare=wanted.allow_bare)
        steps = Steps(runners, assets, folder / "steps", runner_name=wanted.runner)
        data = _data(wanted, known, assets)
        test = CompatibilityTest(steps, folder / "test", limits=lambda _: wanted.limits)
        with waiting("Running the workflow"):
            report = test.run(workflow, data)
        look(report)
        return report


def _data(wanted: Wanted, known: _Registered, assets: Assets) -> WorkflowData:
    if wanted.prepared:
        return WorkflowData(*wanted.prepared)
    reference = known.demo_dataset
    if wanted.demo_dataset:
        address = address_of(wanted.demo_dataset)
        reference = FileReference(url=address, digest=digest_at(address))
    if reference is None:
        raise InvalidRequestError(
            "there is no data to test with",
            hint="Give --demo-dataset, or --data and --labels, or a --benchmark that has one.",
        )
    demo = read_demo_data(assets.folder(reference))
    return WorkflowData(demo.data_path, demo.labels_path)


def _needed(wanted: Wanted, known: _Registered, role: str) -> Container:
    part = wanted.parts[role]
    if part.path is None:
        if role in known.containers:
            return known.containers[role]
        raise InvalidRequestError(
            f"there is no {role} to test", hint=f"Give --{role} PATH, or --benchmark."
        )
    offer = Offer(
        path=Path(part.path),
        role=role,
        name=f"local {role}",
        parameters=part.parameters,
        additional_files=part.additional_files,
    )
    return local_record(form_of(offer), ROLES.index(role) + 1)


def _registered(wanted: Wanted) -> _Registered:
    with client() as server:
        number = find_number(server.transport, "benchmarks", wanted.benchmark or "")
        benchmark = server.benchmarks.get(number)
        containers = {
            "preparator": server.containers.get(benchmark.preparator_id),
            "evaluator": server.containers.get(benchmark.evaluator_id),
        }
        if wanted.parts["model"].path is None:
            number = wanted.model_id or benchmark.reference_model_id
            containers["model"] = _container_of(server, server.models.get(number))
    return _Registered(containers, benchmark.analysis_plan, benchmark.demo_dataset)


def _container_of(server: ServerClient, model: Model) -> Container:
    if model.container_id is None:
        raise NotFoundError(
            f"the container of model {model.id}, {model.name!r}, is not visible to you",
            hint="Give --model PATH.",
        )
    return server.containers.get(model.container_id)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    with TemporaryDirectory(prefix="medperf-", ignore_cleanup_errors=True) as scratch:
        yield Path(scratch)
