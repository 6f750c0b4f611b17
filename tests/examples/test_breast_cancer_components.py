"""The example's parts: exports become what was measured, models equal scikit-learn's."""

import csv
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from examples.breast_cancer import build as building
from examples.breast_cancer.data import FEATURES, HOSPITAL_SHARES, load_patients, split
from examples.breast_cancer.training import RECIPES, columns, train
from medperf.components.packing import docker_config
from medperf.domain.benchmarks import AnalysisPlan
from medperf.domain.containers import ContainerConfig, Role, faults
from medperf.domain.results import TypedResult
from medperf.runners.base import Limits
from medperf.runners.config_file import load
from medperf.runners.plan import plan_step
from medperf.runners.sandbox import SandboxRunner

HOSPITALS = sorted(HOSPITAL_SHARES)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return building.build(tmp_path_factory.mktemp("example"))


@pytest.fixture(scope="module")
def hospitals():
    return split(load_patients())[1]


@pytest.fixture(scope="module")
def prepared(files, tmp_path_factory):
    """Every hospital's dataset, prepared by running the preparator's folder as a site would."""
    top = tmp_path_factory.mktemp("prepared")
    for name in HOSPITALS:
        assert prepare(files, files.hospitals[name], top / name).returncode == 0
    return top


def run(component, *arguments, parameters=True):
    extra = [f"--parameters_file={component.parameters}"] if parameters else []
    return subprocess.run(
        [sys.executable, "main.py", *map(str, arguments), *extra],
        cwd=component.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def prepare(files, raw, target):
    return run(
        files.preparator, "prepare", f"--data_path={raw.data}", f"--labels_path={raw.labels}",
        f"--output_path={target / 'data'}", f"--output_labels_path={target / 'labels'}",
        f"--report_file={target / 'report.yaml'}",
    )  # fmt: skip


def table(path):
    with Path(path).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def report_of(target):
    return yaml.safe_load((target / "report.yaml").read_text(encoding="utf-8"))


def test_everyone_is_held_once_and_the_vendor_holds_nobody_of_a_hospital():
    patients = load_patients()
    vendor, held = split(patients)
    rows = np.concatenate([vendor.values, *(part.values for part in held.values())])
    assert len(rows) == 569
    assert np.array_equal(np.sort(rows, axis=0), np.sort(patients.values, axis=0))
    assert {tuple(row) for row in rows.tolist()} == {tuple(r) for r in patients.values.tolist()}


def test_hospitals_hold_uneven_parts_with_enough_of_both_classes(hospitals):
    sizes = {name: len(part) for name, part in hospitals.items()}
    assert sizes["northfield"] > 2 * sizes["riverside"] > 2 * sizes["lakeview"]
    assert all(10 <= part.malignant.sum() <= len(part) - 10 for part in hospitals.values())


def test_the_exports_differ_in_names_columns_and_delimiters(files):
    heads = {
        name: next(files.hospitals[name].data.iterdir()).read_bytes().splitlines()[0]
        for name in HOSPITALS
    }
    assert heads["northfield"].startswith(b"export_row,patient_id,radius_mean,")
    assert heads["riverside"].startswith(b"PAT;RAD_M;")
    assert heads["lakeview"].startswith(b"specimen\tpixel_size_um\tWorst.Radius\t")


@pytest.mark.parametrize("hospital", HOSPITALS)
def test_preparation_gives_back_exactly_what_was_measured(prepared, hospitals, hospital):
    rows = table(prepared / hospital / "data/data.csv")
    assert list(rows[0]) == ["case_id", *FEATURES]
    values = np.array([[float(row[feature]) for feature in FEATURES] for row in rows])
    assert np.array_equal(values, hospitals[hospital].values)


@pytest.mark.parametrize("hospital", HOSPITALS)
def test_preparation_unifies_the_labels(prepared, hospitals, hospital):
    labels = {row["case_id"]: row for row in table(prepared / hospital / "labels/labels.csv")}
    cases = [row["case_id"] for row in table(prepared / hospital / "data/data.csv")]
    found = [labels[case]["diagnosis"] == "malignant" for case in cases]
    assert found == hospitals[hospital].malignant.tolist()
    assert {row["texture_group"] for row in labels.values()} == {"low", "medium", "high"}


@pytest.mark.parametrize("hospital", HOSPITALS)
def test_prepared_data_pass_the_sanity_check_and_have_statistics(
    files, prepared, hospital, tmp_path
):
    folders = [f"--{key}_path={prepared / hospital / key}" for key in ("data", "labels")]
    assert run(files.preparator, "sanity_check", *folders).returncode == 0
    out = tmp_path / "statistics.yaml"
    assert run(files.preparator, "statistics", *folders, f"--output_path={out}").returncode == 0
    found = yaml.safe_load(out.read_text(encoding="utf-8"))
    assert found["n_cases"] == sum(found["classes"].values()) == files.n_patients[hospital]
    assert set(found["feature_means"]) == set(FEATURES)


def spoil(files, tmp_path, old, new):
    """A copy of Riverside's export in which ``old`` was replaced once by ``new``."""
    raw = files.hospitals["riverside"]
    copy = type(raw)(tmp_path / "raw/data", tmp_path / "raw/labels")
    shutil.copytree(raw.data, copy.data)
    shutil.copytree(raw.labels, copy.labels)
    path = copy.data / "export.csv"
    text = path.read_text(encoding="cp1252")
    lines = text.splitlines()
    lines[2] = lines[2].replace(old, new, 1)
    path.write_text("\n".join(lines) + "\n", encoding="cp1252")
    return copy


def test_a_broken_row_is_outstanding_and_the_others_are_prepared(files, tmp_path):
    raw = spoil(files, tmp_path, "0,0", "n/a 0,0")
    done = prepare(files, raw, tmp_path)
    report = report_of(tmp_path)
    assert done.returncode == 1
    assert report["status"]["R/0001"] == -1
    assert report["comment"]["R/0001"] == "line 3: 'RAD_M' is not a number"
    assert sum(status == 1 for status in report["status"].values()) == len(report["status"]) - 1
    assert "R/0001" not in {row["case_id"] for row in table(tmp_path / "data/data.csv")}


def test_a_value_in_a_wrong_unit_is_outstanding(files, tmp_path):
    raw = spoil(files, tmp_path, "R/0001;0,0", "R/0001;0,")
    assert prepare(files, raw, tmp_path).returncode == 1
    assert "check its unit" in report_of(tmp_path)["comment"]["R/0001"]


def test_a_corrected_row_is_taken_in_by_the_next_run(files, tmp_path):
    raw = spoil(files, tmp_path, "0,0", "n/a 0,0")
    prepare(files, raw, tmp_path)
    original = files.hospitals["riverside"].data / "export.csv"
    shutil.copyfile(original, raw.data / "export.csv")
    assert prepare(files, raw, tmp_path).returncode == 0
    assert len(table(tmp_path / "data/data.csv")) == files.n_patients["riverside"]


def test_a_case_can_be_excluded_by_a_person_and_stays_in_the_report(files, tmp_path):
    raw = spoil(files, tmp_path, "0,0", "n/a 0,0")
    (raw.data / "excluded_cases.txt").write_text("R/0001  # unreadable slide\n")
    assert prepare(files, raw, tmp_path).returncode == 0
    assert report_of(tmp_path)["status_name"]["R/0001"] == "EXCLUDED"
    for kept in ("data/data.csv", "labels/labels.csv"):
        assert "R/0001" not in {row["case_id"] for row in table(tmp_path / kept)}


def test_a_case_without_label_is_outstanding(files, tmp_path):
    raw = spoil(files, tmp_path, "", "")
    findings = raw.labels / "findings.csv"
    lines = findings.read_text().splitlines()
    findings.write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    assert prepare(files, raw, tmp_path).returncode == 1
    assert report_of(tmp_path)["status_name"]["R/0001"] == "NO_LABEL"


def test_an_unknown_export_is_named_in_one_line(files, tmp_path):
    raw = type(files.hospitals["riverside"])(tmp_path / "data", tmp_path / "labels")
    raw.data.mkdir()
    (raw.data / "other.csv").write_text("a\n")
    done = prepare(files, raw, tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.startswith("error: the raw data folder must hold exactly one of")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_exported_weights_give_what_scikit_learn_gives(name, hospitals):
    sys.path.insert(0, str(Path(building.__file__).parent / "model"))
    try:
        from inference import probability_of_malignant
    finally:
        sys.path.pop(0)
    vendor, _ = split(load_patients())
    model = train(RECIPES[name], vendor)
    weights = json.loads(json.dumps(model.weights))
    values = columns(model.recipe, hospitals["northfield"].values)
    expected = model.fitted.predict_proba(values)[:, 1]
    assert probability_of_malignant(weights, values) == pytest.approx(expected, abs=1e-12)


def infer(files, name, data, target):
    model = files.models[name]
    extra = model.additional_files_folder or target / "none"
    return run(
        model, "infer", f"--data_path={data}", f"--output_path={target}",
        f"--additional_files={extra}", parameters=False,
    )  # fmt: skip


def test_a_model_refuses_data_without_its_columns(files, tmp_path):
    (tmp_path / "data.csv").write_text("case_id,radius_mean\n1,2\n")
    done = infer(files, "logistic-regression", tmp_path, tmp_path / "out")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no column 'texture_mean'" in done.stderr


def test_honest_models_do_well_and_the_bad_one_does_not(files, prepared, tmp_path):
    labels = {r["case_id"]: r for r in table(prepared / "northfield/labels/labels.csv")}
    found = {}
    for name in RECIPES:
        assert infer(files, name, prepared / "northfield/data", tmp_path / name).returncode == 0
        rows = table(tmp_path / name / "predictions.csv")
        found[name] = roc_auc_score(
            [labels[row["case_id"]]["diagnosis"] == "malignant" for row in rows],
            [float(row["probability_malignant"]) for row in rows],
        )
    bad = found.pop("fractal-only")
    assert min(found.values()) > 0.97
    assert bad < 0.7


def test_the_evaluator_writes_exactly_what_the_plan_declares(files, prepared, tmp_path):
    data, labels = (prepared / "riverside" / kind for kind in ("data", "labels"))
    infer(files, "random-forest", data, tmp_path / "predictions")
    done = run(
        files.evaluator, "evaluate", f"--predictions={tmp_path / 'predictions'}",
        f"--labels={labels}", f"--output_path={tmp_path / 'results.yaml'}",
        f"--local_outputs_path={tmp_path / 'local'}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = TypedResult.model_validate(yaml.safe_load((tmp_path / "results.yaml").read_text()))
    plan = AnalysisPlan.model_validate(yaml.safe_load(files.plan.read_text(encoding="utf-8")))
    assert {m.name for m in result.metrics} == {m.name for m in plan.metrics}
    assert {m.name for m in result.metrics if m.class_label} == {"f1"}
    subgroups = {tuple(m.subgroup.items()) for m in result.metrics if m.subgroup}
    assert subgroups == {(("texture_group", value),) for value in plan.subgroups[0].values}
    assert len((tmp_path / "results.yaml").read_bytes()) < plan.max_size_bytes
    assert len(table(tmp_path / "local/cases.csv")) == files.n_patients["riverside"]


def test_every_component_keeps_the_container_contract_in_both_forms(files):
    roles = [(files.preparator, Role.PREPARATOR), (files.evaluator, Role.EVALUATOR)]
    for component, role in [*roles, *((model, Role.MODEL) for model in files.models.values())]:
        config = yaml.safe_load((component.folder / "container_config.yaml").read_text())
        for form in (config, docker_config(component.folder, "medperf/x:1")):
            assert faults(ContainerConfig.model_validate(form), role) == []
        declared = any("additional_files" in t["input_volumes"] for t in config["tasks"].values())
        assert declared == (component.additional_files is not None)


def test_the_demo_dataset_names_its_folders_and_holds_the_vendors_patients_only(files, tmp_path):
    with tarfile.open(files.demo_dataset) as archive:
        archive.extractall(tmp_path, filter="data")
    paths = yaml.safe_load((tmp_path / "paths.yaml").read_text(encoding="utf-8"))
    rows = table(tmp_path / paths["data_path"] / "cytology.csv")
    known = {tuple(r[f] for f in FEATURES) for r in table(files.vendor_training)}
    assert len(rows) == 40
    assert {tuple(row[f] for f in FEATURES) for row in rows} <= known


def test_building_twice_gives_the_same_bytes(files, tmp_path):
    again = building.build(tmp_path)
    assert again.preparator.archive.read_bytes() == files.preparator.archive.read_bytes()
    assert again.demo_dataset.read_bytes() == files.demo_dataset.read_bytes()
    for name, model in again.models.items():
        assert model.archive.read_bytes() == files.models[name].archive.read_bytes()
        if model.additional_files is not None:
            other = files.models[name].additional_files
            assert model.additional_files.read_bytes() == other.read_bytes()


@pytest.mark.containers
@pytest.mark.parametrize("level", ["namespaces", "landlock"])
def test_the_whole_workflow_runs_isolated_in_the_sandbox(files, tmp_path, level):
    runner = SandboxRunner(tmp_path / "runner", levels=(level,))
    if not runner.available().ok:
        pytest.skip(runner.available().reason)

    def step(component, task, inputs, outputs):
        config = load(component.folder / "container_config.yaml")
        image = runner.resolve(config, source=component.archive)
        planned = plan_step(
            config,
            task,
            step_id=task,
            inputs=inputs,
            outputs={key: tmp_path / place for key, place in outputs.items()},
            limits=Limits(),
            parameters_file=component.parameters,
            additional_files=component.additional_files_folder,
        )
        log = tmp_path / f"{task}.log"
        assert runner.run(image, planned, log).exit_code == 0, log.read_text(encoding="utf-8")

    raw = files.hospitals["lakeview"]
    data, labels = tmp_path / "data", tmp_path / "labels"
    prepared = {"data_path": data, "labels_path": labels}
    step(
        files.preparator, "prepare", {"data_path": raw.data, "labels_path": raw.labels},
        {"output_path": "data", "output_labels_path": "labels", "report_file": "report.yaml"},
    )  # fmt: skip
    step(files.preparator, "sanity_check", prepared, {})
    step(files.preparator, "statistics", prepared, {"output_path": "statistics.yaml"})
    step(files.models["random-forest"], "infer", {"data_path": data}, {"output_path": "answers"})
    step(
        files.evaluator, "evaluate", {"predictions": tmp_path / "answers", "labels": labels},
        {"output_path": "results.yaml", "local_outputs_path": "local"},
    )  # fmt: skip
    result = TypedResult.model_validate(yaml.safe_load((tmp_path / "results.yaml").read_text()))
    assert (result.n_cases, result.n_failed) == (files.n_patients["lakeview"], 0)
