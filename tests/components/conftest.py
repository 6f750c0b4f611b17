"""Small evaluator inputs that a test can bend."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from medperf.components.evaluator import program

PARAMETERS: dict[str, Any] = {
    "clinical_task": "classification",
    "classes": ["benign", "malignant"],
    "positive_class": "malignant",
    "labels": {"case": "case_id", "patient": "patient_id", "reference": "diagnosis"},
    "predictions": {"case": "case_id", "probabilities": {"malignant": "p"}},
    "metrics": ["auroc", {"name": "sensitivity", "per_class": True}, "brier"],
    "subgroups": [{"name": "sex", "values": ["female", "male"]}],
}
LABELS = """case_id,patient_id,diagnosis,sex
c1,a,malignant,female
c2,a,benign,female
c3,b,malignant,male
c4,c,benign,female
c5,d,benign,male
"""
PREDICTIONS = """case_id,p
c1,0.9
c2,0.2
c3,0.4
c4,0.6
c5,0.1
"""


@dataclass
class Workspace:
    """The folders of one evaluation."""

    root: Path

    def write(self, **files: str | dict[str, Any]) -> "Workspace":
        """Write files given as ``labels``, ``predictions`` (CSV) or ``parameters`` (a mapping)."""
        for name, content in files.items():
            text = content if isinstance(content, str) else yaml.safe_dump(content)
            (self.root / self.paths[name]).write_text(text, encoding="utf-8")
        return self

    @property
    def paths(self) -> dict[str, str]:
        return {
            "labels": "labels/labels.csv",
            "predictions": "predictions/predictions.csv",
            "parameters": "parameters.yaml",
        }

    @property
    def arguments(self) -> list[str]:
        flags = {
            "predictions": "predictions",
            "labels": "labels",
            "parameters_file": "parameters.yaml",
            "output_path": "results/results.yaml",
            "local_outputs_path": "local",
        }
        return ["evaluate", *(f"--{key}={self.root / path}" for key, path in flags.items())]

    def run(self) -> dict[str, Any]:
        assert program.main(self.arguments) == 0
        return self.results()

    def results(self) -> dict[str, Any]:
        text = (self.root / "results/results.yaml").read_text(encoding="utf-8")
        document: dict[str, Any] = yaml.safe_load(text)
        return document


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    for folder in ("labels", "predictions"):
        (tmp_path / folder).mkdir()
    return Workspace(tmp_path).write(labels=LABELS, predictions=PREDICTIONS, parameters=PARAMETERS)


@pytest.fixture
def parameters() -> Callable[..., dict[str, Any]]:
    return lambda **changes: {**PARAMETERS, **changes}
