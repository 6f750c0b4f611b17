"""The benchmark's workflow as a Workflow RO-Crate of its own: prepare, infer, evaluate.

The steps are abstract operations of the Common Workflow Language: what runs is the platform's
business, and each image is named by its digest.
"""

import json
from typing import Any

import yaml

from medperf.evidence.dossier import Dossier

FOLDER = "workflow/"
_MAIN = "benchmark.cwl"
_CWL = "https://w3id.org/workflowhub/workflow-ro-crate#cwl"


def workflow_files(dossier: Dossier) -> dict[str, bytes]:
    """The nested crate's files by their path in the pack."""
    text = yaml.safe_dump(_cwl(dossier), sort_keys=False, allow_unicode=True)
    about = (
        f"# Workflow of {dossier.benchmark.name}\n\n"
        "Prepare the data at the site, let the model infer, evaluate beside the data. Steps are"
        " abstract; images are named by digest.\n"
    )
    metadata = json.dumps(_metadata(dossier), indent=1, ensure_ascii=False)
    return {
        f"{FOLDER}{_MAIN}": text.encode(),
        f"{FOLDER}README.md": about.encode(),
        f"{FOLDER}ro-crate-metadata.json": f"{metadata}\n".encode(),
    }


def _cwl(dossier: Dossier) -> dict[str, Any]:
    preparator, evaluator = dossier.preparator, dossier.evaluator
    return {
        "cwlVersion": "v1.2",
        "class": "Workflow",
        "label": dossier.benchmark.name,
        "inputs": {"raw_data": "Directory", "raw_labels": "Directory", "model_image": "string"},
        "outputs": {"result": {"type": "File", "outputSource": "evaluate/result"}},
        "steps": {
            "prepare": _step(
                "Prepare the data",
                preparator.image_digest if preparator else None,
                {"raw_data": "raw_data", "raw_labels": "raw_labels"},
                {"data": "Directory", "labels": "Directory"},
            ),
            "infer": _step(
                "Let the model infer, without labels",
                None,
                {"data": "prepare/data", "model_image": "model_image"},
                {"predictions": "Directory"},
            ),
            "evaluate": _step(
                "Score the predictions",
                evaluator.image_digest if evaluator else None,
                {"predictions": "infer/predictions", "labels": "prepare/labels"},
                {"result": "File"},
            ),
        },
    }


def _step(
    label: str, image: str | None, inputs: dict[str, str], outputs: dict[str, str]
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "class": "Operation",
        "inputs": {name: "string" if name == "model_image" else "Directory" for name in inputs},
        "outputs": outputs,
    }
    if image is not None:
        operation["hints"] = {"DockerRequirement": {"dockerImageId": image}}
    return {"label": label, "run": operation, "in": inputs, "out": list(outputs)}


def _metadata(dossier: Dossier) -> dict[str, Any]:
    benchmark = dossier.benchmark
    return {
        "@context": "https://w3id.org/ro/crate/1.1/context",
        "@graph": [
            {
                "@id": "ro-crate-metadata.json",
                "@type": "CreativeWork",
                "conformsTo": [
                    {"@id": "https://w3id.org/ro/crate/1.1"},
                    {"@id": "https://w3id.org/workflowhub/workflow-ro-crate/1.0"},
                ],
                "about": {"@id": "./"},
            },
            {
                "@id": "./",
                "@type": "Dataset",
                "name": f"Workflow of {benchmark.name}, version {benchmark.version}",
                "description": benchmark.clinical_task,
                "datePublished": f"{benchmark.created_at:%Y-%m-%d}",
                "license": {"@id": "#terms"},
                "hasPart": [{"@id": _MAIN}, {"@id": "README.md"}],
                "mainEntity": {"@id": _MAIN},
            },
            {
                "@id": _MAIN,
                "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
                "name": benchmark.name,
                "programmingLanguage": {"@id": _CWL},
            },
            {
                "@id": "README.md",
                "@type": "File",
                "name": "About this workflow",
                "about": {"@id": "./"},
                "encodingFormat": "text/markdown",
            },
            {
                "@id": _CWL,
                "@type": "ComputerLanguage",
                "name": "Common Workflow Language",
                "alternateName": "CWL",
                "version": "v1.2",
                "identifier": {"@id": "https://w3id.org/cwl/v1.2/"},
                "url": {"@id": "https://www.commonwl.org/"},
            },
            {
                "@id": "#terms",
                "@type": "CreativeWork",
                "name": "Terms of use",
                "description": f"As agreed with {dossier.committee}.",
            },
        ],
    }
