"""A small hospital for tests: containers that are Python functions, and what runs them."""

from datetime import UTC, datetime
from pathlib import Path

import yaml

from medperf.client.log_watch import LogWatch
from medperf.domain import errors
from medperf.domain.container_records import Container
from medperf.domain.containers import Role
from medperf.provenance.checkpoint import Checkpoint, log_key, sign_checkpoint
from medperf.provenance.merkle import root_of
from medperf.runners.base import Limits
from medperf.runners.fake import FakeRunner, digest_of_reference
from medperf.runners.selection import RunnerSet
from medperf.site.assets import Assets
from medperf.site.grants import GrantVerifier
from medperf.site.steps import Steps

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = Limits(timeout_s=60)
ROOT = "/mlcommons/volumes"


def mount(path, kind="directory"):
    return {"mount_path": f"{ROOT}/{path}", "type": kind}


PREPARED = {"data_path": mount("data"), "labels_path": mount("labels")}

PREPARATOR_TASKS = {
    "prepare": {
        "input_volumes": {
            "data_path": mount("raw_data"),
            "labels_path": mount("raw_labels"),
            "parameters_file": mount("parameters/parameters_file.yaml", "file"),
        },
        "output_volumes": {
            "output_path": mount("data"),
            "output_labels_path": mount("labels"),
            "metadata_path": mount("metadata"),
            "report_file": mount("report/report.yaml", "file"),
        },
    },
    "sanity_check": {"input_volumes": PREPARED | {"metadata_path": mount("metadata")}},
    "statistics": {
        "input_volumes": PREPARED | {"metadata_path": mount("metadata")},
        "output_volumes": {"output_path": mount("statistics/statistics.yaml", "file")},
    },
}
OLDER_PREPARATOR_TASKS = {
    "prepare": {
        "input_volumes": PREPARATOR_TASKS["prepare"]["input_volumes"],
        "output_volumes": {"output_path": mount("data")},
    },
    "sanity_check": {"input_volumes": {"data_path": mount("data")}},
    "statistics": {
        "input_volumes": {"data_path": mount("data")},
        "output_volumes": {"output_path": mount("statistics/statistics.yaml", "file")},
    },
}
MODEL_TASKS = {
    "infer": {
        "input_volumes": {"data_path": mount("data")},
        "output_volumes": {"output_path": mount("predictions")},
    }
}
EVALUATOR_TASKS = {
    "evaluate": {
        "input_volumes": {"predictions": mount("predictions"), "labels": mount("labels")},
        "output_volumes": {
            "output_path": mount("results/results.yaml", "file"),
            "local_outputs_path": mount("local_outputs"),
        },
    }
}


def container(number, role, tasks, image=None, **changes):
    image = image or f"{role}:{number}"
    return Container.model_validate(
        {
            "id": number,
            "name": f"{role} {number}",
            "version": 1,
            "role": role,
            "config": {"container_type": "DockerImage", "image": image, "tasks": tasks},
            "image_digest": digest_of_reference(image),
            "digest": digest_of_reference(f"record of {image}"),
            "organization_id": 1,
            "owner_id": 1,
            "state": "operation",
            "created_at": NOW,
        }
        | changes
    )


PREPARATOR = container(1, Role.PREPARATOR, PREPARATOR_TASKS, parameters={"unit": "mm"})
OLDER_PREPARATOR = container(4, Role.PREPARATOR, OLDER_PREPARATOR_TASKS)
MODEL = container(2, Role.MODEL, MODEL_TASKS)
EVALUATOR = container(3, Role.EVALUATOR, EVALUATOR_TASKS)


class Hospital:
    """A work folder, a fake runner and honest containers in it; tests replace what they need."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.runner = FakeRunner()
        self.assets = Assets(folder / "assets", allow_local=True, reserve_bytes=0)
        self.steps = Steps(RunnerSet([self.runner]), self.assets, folder / "work", reserve_bytes=0)
        self.let(PREPARATOR, "prepare", prepare)
        self.let(PREPARATOR, "sanity_check", sanity_check)
        self.let(PREPARATOR, "statistics", statistics)
        self.let(OLDER_PREPARATOR, "prepare", prepare_as_before)
        self.let(OLDER_PREPARATOR, "sanity_check", lambda call: 0)
        self.let(OLDER_PREPARATOR, "statistics", statistics)
        self.let(MODEL, "infer", infer)
        self.let(EVALUATOR, "evaluate", evaluate)

    def let(self, record, task, function):
        """Have ``function`` stand for a task from now on."""
        self.runner.register(record.config["image"], task, function)

    def raw(self, n_cases=3):
        """Raw data and labels of some cases: one file each."""
        data, labels = self.folder / "raw" / "data", self.folder / "raw" / "labels"
        for folder, suffix in ((data, "image"), (labels, "label")):
            folder.mkdir(parents=True)
            for number in range(n_cases):
                (folder / f"case{number}.txt").write_text(f"{suffix} {number}\n")
        return data, labels

    def tasks_run(self):
        return [task for _, task in self.runner.runs]


def prepare(call):
    """Copy each case that is not there yet, and report on it."""
    report = {"status": {}, "status_name": {}, "comment": {}}
    for source in sorted(call.paths["data_path"].iterdir()):
        case = source.stem
        for raw, prepared in (("data_path", "output_path"), ("labels_path", "output_labels_path")):
            text = (call.paths[raw] / source.name).read_text()
            (call.paths[prepared] / source.name).write_text(text.upper())
        report["status"][case], report["status_name"][case] = 2, "done"
        report["comment"][case] = ""
    call.paths["report_file"].write_text(yaml.safe_dump(report))
    (call.paths["metadata_path"] / "unit.txt").write_text("mm")


def prepare_as_before(call):
    """Leave the labels with the data, as older preparators do."""
    for source in call.paths["data_path"].iterdir():
        (call.paths["output_path"] / source.name).write_text(source.read_text())


def sanity_check(call):
    data, labels = (
        {path.name for path in call.paths[key].iterdir()} for key in ("data_path", "labels_path")
    )
    return 0 if data == labels else 1


def statistics(call):
    n_cases = len(list(call.paths["data_path"].iterdir()))
    call.paths["output_path"].write_text(yaml.safe_dump({"n_cases": n_cases, "mean_size": 7.5}))


def infer(call):
    for source in call.paths["data_path"].iterdir():
        (call.paths["output_path"] / source.name).write_text("0.5")


def evaluate(call):
    n_cases = len(list(call.paths["predictions"].iterdir()))
    call.paths["output_path"].write_text(
        yaml.safe_dump(
            {
                "schema": "medperf.results/v1",
                "n_cases": n_cases,
                "metrics": [{"name": "accuracy", "value": 0.9, "n": n_cases}],
            }
        )
    )


class SilentLog:
    """A server whose log did not change, and has no leaf of any grant."""

    def __init__(self, key):
        self._key = key

    def get(self, path, query):
        if path.endswith("/log/proof"):
            raise errors.NotFoundError("the log has no envelope")
        checkpoint = Checkpoint(log_key(self._key.public).name, 0, root_of([]))
        return {"checkpoint": sign_checkpoint(checkpoint, self._key), "proof": []}


def grant_verifier(folder, server_key, clock):
    """What site 4, which signs with ``key``, knows about grants of a server whose log is silent."""
    watch = LogWatch(folder, log_key(server_key.public).to_text())
    return GrantVerifier(watch, SilentLog(server_key), site_id=4, site_key_id="key", clock=clock)
