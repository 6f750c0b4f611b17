"""The example's parts: exports become what was published, models equal lifelines', nobody is shared."""

import csv
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from examples.lung_survival import build as building
from examples.lung_survival.data import COVARIATES, PACKAGE, SITES, Patient, load_patients
from examples.lung_survival.training import RECIPES, TIMES, train
from examples.staging.fetch import is_fetched
from medperf.components.packing import docker_config
from medperf.domain.benchmarks import AnalysisPlan
from medperf.domain.containers import ContainerConfig, Role, faults
from medperf.domain.results import TypedResult
from medperf.site.case_statistics import CaseStatistics
from medperf.site.case_table import read_case_table

HERE = Path(building.__file__).parent
needs_data = pytest.mark.skipif(
    not is_fetched(PACKAGE), reason=f"{PACKAGE.filename} is not fetched"
)

# Fitted by lifelines 0.30.3 (CoxPHFitter, WeibullAFTFitter, KaplanMeierFitter) on the vendors' set.
LIFELINES_COX = [-0.0044205229, -0.59128574, 0.46912995, 0.016298623, -0.0078108203, -0.0076782152]
LIFELINES_WEIBULL = [0.001674, 0.391167, -0.301709, -0.011555, 0.005383, 0.004211]
LIFELINES_WEIBULL_SHAPE = np.exp(0.418077)
LIFELINES_KAPLAN_MEIER = [0.91071429, 0.75743572, 0.57725698, 0.40210877, 0.28018030]


def drawn(n, seed):
    """Patients drawn at random, for tests that need no real ones."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        frail = int(rng.integers(0, 3))
        values = {
            "age_years": float(rng.integers(40, 80)),
            "is_female": float(rng.integers(0, 2)),
            "ecog": float(frail),
            "karnofsky_physician": 100.0 - 15 * frail,
            "karnofsky_patient": None if rng.random() < 0.1 else 90.0 - 15 * frail,
            "calories": None if rng.random() < 0.2 else float(rng.integers(300, 1500)),
            "weight_loss_lb": float(rng.integers(-10, 40)),
        }
        days = int(rng.exponential(500 / (1 + frail))) + 1
        found.append(Patient(values, min(days, 700), days < 700))
    return found


@pytest.fixture(scope="module")
def patients():
    sizes = dict.fromkeys(SITES, 30) | {"vendors": 80}
    return {name: drawn(n, seed) for seed, (name, n) in enumerate(sizes.items())}


@pytest.fixture(scope="module")
def files(patients, tmp_path_factory):
    return building.build_from(patients, tmp_path_factory.mktemp("example"))


@pytest.fixture(scope="module")
def inference():
    spec = importlib.util.spec_from_file_location("lung_inference", HERE / "model/inference.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def run(component, *arguments):
    extra = [f"--parameters_file={component.parameters}"] if component.parameters else []
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


@pytest.mark.parametrize("site", ["inst-1", "inst-13"])
def test_every_export_becomes_what_was_known(files, patients, site, tmp_path):
    assert prepare(files, files.hospitals[site], tmp_path).returncode == 0
    data, labels = table(tmp_path / "data/data.csv"), table(tmp_path / "labels/labels.csv")
    for row, label, patient in zip(data, labels, patients[site], strict=True):
        known = {name: float(row[name]) if row[name] else None for name in COVARIATES}
        assert known == pytest.approx(patient.values, abs=1e-3)
        assert (float(label["time_days"]), label["died"]) == (patient.days, str(int(patient.died)))
    folders = [f"--{key}_path={tmp_path / key}" for key in ("data", "labels")]
    assert run(files.preparator, "sanity_check", *folders).returncode == 0
    out = tmp_path / "statistics.yaml"
    assert run(files.preparator, "statistics", *folders, f"--output_path={out}").returncode == 0
    assert yaml.safe_load(out.read_text())["n_cases"] == len(patients[site])


def test_what_is_wrong_with_a_patient_waits_for_a_person(files, tmp_path):
    raw = files.hospitals["inst-12"]
    copy = type(raw)(tmp_path / "raw/data", tmp_path / "raw/labels")
    shutil.copytree(raw.data, copy.data)
    shutil.copytree(raw.labels, copy.labels)
    path = copy.data / "registry.csv"
    lines = [line.split(";") for line in path.read_text().splitlines()]
    lines[1][1] = "abc"
    lines[2][1] = "7"
    lines[3][2] = ""
    path.write_text("\n".join(";".join(line) for line in lines) + "\n")
    outcomes = (copy.labels / "outcome.csv").read_text().splitlines()
    del outcomes[4]
    (copy.labels / "outcome.csv").write_text("\n".join(outcomes) + "\n")
    (copy.data / "excluded_cases.txt").write_text(f"{lines[5][0]}  # asked to be left out\n")
    assert prepare(files, copy, tmp_path).returncode == 1
    report = report_of(tmp_path)
    comments = [report["comment"][lines[number][0]] for number in range(1, 5)]
    assert comments == [
        "'age_years' cannot be read",
        "'age_years' is outside 18 to 110; check its unit",
        "age or sex is unknown",
        "there is no follow-up",
    ]
    assert report["status_name"][lines[5][0]] == "EXCLUDED"
    assert len(table(tmp_path / "data/data.csv")) == len(lines) - 1 - 5


def test_an_unknown_export_is_named_in_one_line(files, tmp_path):
    raw = files.hospitals["inst-12"]
    done = prepare(files, type(raw)(tmp_path, tmp_path), tmp_path / "out")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "exactly one of lung.csv, registry.csv" in done.stderr


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_survival_falls_and_a_higher_risk_means_less_of_it(inference, patients, name):
    weights = json.loads(json.dumps(train(RECIPES[name], patients["vendors"])))
    rows = [[p.values[c] for c in weights["covariates"]] for p in patients["inst-1"]]
    risk, survival = inference.predict(weights, np.array(rows, dtype=float).reshape(len(rows), -1))
    assert survival.shape == (len(rows), len(TIMES))
    assert ((survival >= 0) & (survival <= 1)).all()
    assert (np.diff(survival, axis=1) <= 0).all()
    if name != "forest":  # whose curves may cross
        assert (np.diff(survival[np.argsort(risk, kind="stable"), 2]) <= 1e-12).all()


def test_a_model_refuses_data_without_its_columns(files, tmp_path):
    (tmp_path / "data.csv").write_text("case_id,age_years\n1,60\n")
    done = run(files.models["cox"], "infer", f"--data_path={tmp_path}", f"--output_path={tmp_path}")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no column 'is_female'" in done.stderr


def test_the_evaluator_writes_exactly_what_the_plan_declares(files, tmp_path):
    prepare(files, files.hospitals["inst-13"], tmp_path)
    predictions = tmp_path / "predictions"
    run(
        files.models["cox"], "infer", f"--data_path={tmp_path}/data", f"--output_path={predictions}"
    )
    done = run(
        files.evaluator, "evaluate", f"--predictions={predictions}",
        f"--labels={tmp_path / 'labels'}", f"--output_path={tmp_path / 'results.yaml'}",
        f"--local_outputs_path={tmp_path / 'local'}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = TypedResult.model_validate(yaml.safe_load((tmp_path / "results.yaml").read_text()))
    plan = AnalysisPlan.model_validate(yaml.safe_load(files.plan.read_text()))
    assert {m.name for m in result.metrics} == {m.name for m in plan.metrics}
    cases = tmp_path / "local/cases.csv"
    assert len(table(cases)) == 30
    site = CaseStatistics(lambda: b"a secret of this site only, long")
    own = site.recompute(result, read_case_table(cases, plan), plan, fingerprint="sha256:0")
    assert own.findings == ()
    overall = [m for m in own.raw["metrics"] if "subgroup" not in m]
    assert {m["name"] for m in overall} == {m.name for m in plan.metrics}
    assert all(len(m["summary"]["replicates"]) == plan.replicates for m in overall)
    assert all(m["summary"]["standard_error"] > 0 for m in overall)
    assert any("subgroup" in m for m in own.raw["metrics"])


def test_every_component_keeps_the_container_contract_in_both_forms(files):
    roles = [(files.preparator, Role.PREPARATOR), (files.evaluator, Role.EVALUATOR)]
    for component, role in [*roles, *((model, Role.MODEL) for model in files.models.values())]:
        config = yaml.safe_load((component.folder / "container_config.yaml").read_text())
        for form in (config, docker_config(component.folder, "medperf/x:1")):
            assert faults(ContainerConfig.model_validate(form), role) == []


@needs_data
def test_everyone_is_at_the_institution_that_enrolled_them(tmp_path):
    found = {name: len(them) for name, them in load_patients(tmp_path).items()}
    assert found == {
        "inst-1": 36, "inst-12": 23, "inst-13": 20, "inst-3-11": 37, "vendors": 112,
    }  # fmt: skip
    assert "MIT License" in (tmp_path / "LICENSE").read_text()


@needs_data
def test_the_vendors_models_are_those_that_lifelines_fits(tmp_path):
    vendors = load_patients(tmp_path)["vendors"]
    cox, weibull, everybody = (
        train(RECIPES[name], vendors) for name in ("cox", "weibull", "kaplan-meier")
    )
    assert cox["coefficients"] == pytest.approx(LIFELINES_COX, rel=1e-6)
    assert weibull["coefficients"] == pytest.approx(LIFELINES_WEIBULL, abs=5e-6)
    assert weibull["shape"] == pytest.approx(LIFELINES_WEIBULL_SHAPE, abs=1e-4)
    assert everybody["survival"] == pytest.approx(LIFELINES_KAPLAN_MEIER, abs=1e-8)
