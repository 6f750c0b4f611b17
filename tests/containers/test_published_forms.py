"""Containers written for MedPerf's published interface run as they are."""

from dataclasses import replace
from pathlib import Path

import pytest
from runners.engines import SMALL, load_builder, make_runner

from medperf.domain.containers import Role
from medperf.runners.config_file import load
from medperf.runners.plan import plan_step

CONFIG = """\
container_type: {container_type}
image: {image}
tasks:
  evaluate:
    run_args:
      command: {command}
      environment: {{GREETING: hello}}
    input_volumes:
      predictions: {{mount_path: /mlcommons/volumes/predictions, type: directory}}
      labels: {{mount_path: /mlcommons/volumes/labels, type: directory}}
      parameters_file:
        mount_path: /mlcommons/volumes/parameters/parameters_file.yaml
        type: file
    output_volumes:
      output_path: {{mount_path: /mlcommons/volumes/results/results.yaml, type: file}}
      local_outputs_path: {{mount_path: /mlcommons/volumes/local_outputs, type: directory}}
"""
# Fixed paths and no variable of ours, as existing containers are written.
EVALUATE = """\
import os
root = "/mlcommons/volumes/"
cases = os.listdir(root + "predictions")
assert open(root + "parameters/parameters_file.yaml").read().strip() == "threshold: 0.5"
with open(root + "results/results.yaml", "w") as results:
    results.write(f"{os.environ['GREETING']}: {len(cases)}\\n")
open(root + "local_outputs/cases.csv", "w").write("case\\n")
"""
MLCUBE = """\
name: evaluator
description: an older container
docker:
  image: medperf-test/mlcube:1
  build_context: ../project
tasks:
  evaluate:
    parameters:
      inputs:
        predictions: predictions
        labels: labels/
        parameters_file: parameters.yaml
        weights: additional_files/atlas/weights.txt
      outputs: {output_path: {type: file, default: results.yaml}}
"""
MLCUBE_MAIN = """\
import argparse, os
parser = argparse.ArgumentParser()
parser.add_argument("task")
for key in ("predictions", "labels", "parameters_file", "weights", "output_path"):
    parser.add_argument("--" + key)
given = parser.parse_args()
assert given.task == "evaluate" and os.listdir(given.labels)
assert open(given.weights).read() == "heavy"
threshold = open(given.parameters_file).read().strip()
open(given.output_path, "w").write(f"{threshold}\\ncases: {len(os.listdir(given.predictions))}\\n")
"""


@pytest.fixture
def paths(tmp_path: Path):
    for name in ("predictions", "labels"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "case1").write_text("1")
    (tmp_path / "parameters.yaml").write_text("threshold: 0.5\n")
    (tmp_path / "additional" / "atlas").mkdir(parents=True)
    (tmp_path / "additional" / "atlas" / "weights.txt").write_text("heavy")
    return tmp_path


def evaluate(runner, config_file: Path, paths: Path, source: Path | None):
    config = load(config_file, Role.EVALUATOR)
    image = runner.resolve(config, source=source)
    step = plan_step(
        config,
        "evaluate",
        step_id=f"published-{paths.name}-{config.calling}",
        inputs={"predictions": paths / "predictions", "labels": paths / "labels"},
        outputs={
            "output_path": paths / "results" / "results.yaml",
            "local_outputs_path": paths / "local",
        },
        limits=replace(SMALL),
        parameters_file=paths / "parameters.yaml",
        additional_files=paths / "additional",
    )
    outcome = runner.run(image, step, paths / "log")
    assert outcome.exit_code == 0, (paths / "log").read_text()
    return (paths / "results" / "results.yaml").read_text()


@pytest.mark.containers
def test_a_config_with_fixed_paths_runs_in_the_sandbox(paths) -> None:
    (paths / "code").mkdir()
    (paths / "code" / "main.py").write_text(EVALUATE)
    config = paths / "container_config.yaml"
    config.write_text(
        CONFIG.format(container_type="SourceArchive", image="code", command="python main.py")
    )
    runner = make_runner("namespaces", paths / "runner")
    assert evaluate(runner, config, paths, paths / "code") == "hello: 1\n"
    assert (paths / "local" / "cases.csv").exists()


@pytest.mark.containers
@pytest.mark.docker
@pytest.mark.parametrize("kind", ["docker", pytest.param("podman", marks=pytest.mark.podman)])
def test_a_config_with_fixed_paths_runs_in_an_engine(paths, kind, debs) -> None:
    runner = make_runner(kind, paths / "runner")
    (paths / "main.py").write_text(EVALUATE)
    archive = paths / "evaluator.tar"
    load_builder().build(archive, debs=debs, add={"/opt/main.py": paths / "main.py"})
    config = paths / "container_config.yaml"
    config.write_text(
        CONFIG.format(
            container_type="DockerArchive", image=archive, command='["python", "/opt/main.py"]'
        )
    )
    assert evaluate(runner, config, paths, archive) == "hello: 1\n"
    assert (paths / "local" / "cases.csv").exists()
    runner._ask("rmi", "--force", runner.resolve(load(config), source=archive).reference)


@pytest.mark.containers
@pytest.mark.docker
def test_an_older_mlcube_runs_from_the_engines_own_images(paths, debs) -> None:
    runner = make_runner("docker", paths / "runner")
    (paths / "main.py").write_text(MLCUBE_MAIN)
    load_builder().build(
        paths / "image.tar",
        debs=debs,
        add={"/project/main.py": paths / "main.py"},
        entrypoint=("python", "/project/main.py"),
        command=(),
        tag="medperf-test/mlcube:1",
    )
    runner._ask("load", f"--input={paths / 'image.tar'}")
    config = paths / "mlcube.yaml"
    config.write_text(MLCUBE)
    try:
        assert evaluate(runner, config, paths, None) == "threshold: 0.5\ncases: 1\n"
    finally:
        runner._ask("rmi", "--force", "medperf-test/mlcube:1")


@pytest.mark.containers
@pytest.mark.docker
def test_loading_an_archive_moves_no_tag_of_the_site(paths, debs) -> None:
    runner = make_runner("docker", paths / "runner")
    build = load_builder().build
    ours = build(paths / "ours.tar", debs=debs, command=("ours",), tag="medperf-test/tagged:1")
    theirs = build(paths / "theirs.tar", debs=debs, command=("their",), tag="medperf-test/tagged:1")
    runner._ask("load", f"--input={paths / 'ours.tar'}")
    config = paths / "container_config.yaml"
    config.write_text(
        CONFIG.format(container_type="DockerArchive", image="theirs.tar", command="python")
    )
    try:
        image = runner.resolve(load(config), source=paths / "theirs.tar")
        assert image.digest == theirs != ours
        assert runner._inspect("medperf-test/tagged:1")["Id"] == ours
    finally:
        runner._ask("rmi", "--force", theirs, ours)
