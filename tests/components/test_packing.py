"""A packed component runs by itself, has stable bytes, and serves the sandbox and engines alike."""

import ast
import subprocess
import sys

import pytest
import yaml

from medperf.components.packing import COMPONENTS, build, docker_config
from medperf.domain.containers import ContainerConfig, Role, faults
from medperf.domain.errors import NotFoundError


def test_the_packed_evaluator_runs_where_no_medperf_is_installed(tmp_path, workspace):
    folder = build("evaluator", tmp_path / "evaluator")
    # -I ignores the environment; blocking the real package proves that only the copy is used.
    guard = (
        "import runpy, sys; sys.path[:] = [p for p in sys.path if not p.endswith('/src')];"
        "sys.argv = ['main.py', *sys.argv[1:]]; runpy.run_path('main.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", guard, *workspace.arguments],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == 0
    assert workspace.results()["n_cases"] == 5


@pytest.mark.parametrize("name", sorted(COMPONENTS))
def test_a_packed_component_carries_every_module_it_imports(tmp_path, name):
    folder = build(name, tmp_path / name)
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("medperf"):
                place = folder.joinpath(*str(node.module).split("."))
                assert place.with_suffix(".py").is_file() or place.is_dir(), node.module


@pytest.mark.parametrize("name", sorted(COMPONENTS))
def test_building_twice_gives_the_same_files(tmp_path, name):
    first, second = build(name, tmp_path / "a"), build(name, tmp_path / "b")
    names = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(second) for p in second.rglob("*") if p.is_file())
    assert all((first / each).read_bytes() == (second / each).read_bytes() for each in names)


@pytest.mark.parametrize("name", sorted(COMPONENTS))
def test_both_configs_keep_the_container_contract(tmp_path, name):
    folder = build(name, tmp_path / name)
    source = yaml.safe_load((folder / "container_config.yaml").read_text(encoding="utf-8"))
    for config in (source, docker_config(folder, "medperf/evaluator:1")):
        assert faults(ContainerConfig.model_validate(config), Role.EVALUATOR) == []


def test_an_image_finds_the_program_at_its_place(tmp_path):
    config = docker_config(build("evaluator", tmp_path / "evaluator"), "medperf/evaluator:1")
    command = config["tasks"]["evaluate"]["run_args"]["command"]
    assert (config["container_type"], config["image"]) == ("DockerImage", "medperf/evaluator:1")
    assert command == ["python3", "/app/main.py", "evaluate"]


def test_the_example_parameters_are_accepted(tmp_path):
    from medperf.components.evaluator.parameters import read_parameters

    folder = build("evaluator", tmp_path / "evaluator")
    task = read_parameters(folder / "parameters.yaml").task
    assert task.labels == ("benign", "malignant")


def test_an_unknown_component_is_refused(tmp_path):
    with pytest.raises(NotFoundError, match="known: evaluator"):
        build("oracle", tmp_path / "oracle")
