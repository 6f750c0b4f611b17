"""A pack checked before anyone gets it: each check raises, or says in a sentence what holds.

These are the demands of BagIt, RO-Crate 1.2 and the Five Safes profile that a program can check,
the public validator of Croissant, and our own verification of the bytes inside. Other public
validators run in the tests of this package and wherever a reader likes.
"""

import hashlib
import json
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medperf.domain.errors import ProofError
from medperf.evidence.pack.archive import bag
from medperf.evidence.pack.contents import Pack
from medperf.evidence.pack.crate import PROFILE, SPECIFICATION
from medperf.evidence.pack.workflow import FOLDER
from medperf.provenance.bundle import Bundle
from medperf.provenance.notes import NoteKey
from medperf.provenance.verify import verify_bundle
from medperf.web.drawing import missing

_UNDESCRIBED = {"ro-crate-metadata.json"}


def self_check(pack: Pack) -> list[str]:
    """Check everything.

    Raises:
        ProofError: something does not hold; the message says what.
        NotInstalledError: Croissant's validator is not installed.
    """
    return [
        _bag(bag(pack)),
        _crate(pack.files),
        _five_safes(json.loads(pack.files["ro-crate-metadata.json"])["@graph"]),
        _croissant(pack.files),
        _plan(pack),
        _proof(pack.files),
    ]


def _require(holds: object, what: str) -> None:
    if not holds:
        raise ProofError(f"the evidence pack is not whole: {what}")


def _bag(files: Mapping[str, bytes]) -> str:
    for manifest in ("manifest-sha512.txt", "tagmanifest-sha512.txt"):
        for line in files[manifest].decode().splitlines():
            digest, _, path = line.partition("  ")
            found = hashlib.sha512(files[path]).hexdigest()
            _require(found == digest, f"{path} is not what {manifest} says")
    listed = files["manifest-sha512.txt"].count(b"\n")
    n_payload = sum(path.startswith("data/") for path in files)
    _require(listed == n_payload, "a file is in no manifest")
    return f"BagIt: {listed} checksums hold"


def _crate(files: Mapping[str, bytes]) -> str:
    graph = json.loads(files["ro-crate-metadata.json"])["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    _require(len(entities) == len(graph), "an entity is described twice")
    descriptor = entities["ro-crate-metadata.json"]
    _require(descriptor["conformsTo"]["@id"] == SPECIFICATION, "the RO-Crate version is not named")
    for key in ("name", "description", "datePublished", "license"):
        _require(entities["./"].get(key), f"the root has no {key}")
    for entity in graph:
        for target in _references(entity):
            known = target in entities or target.startswith(("http://", "https://"))
            _require(known, f"{entity['@id']} refers to {target}, which is not described")
    described = {part["@id"] for part in entities["./"]["hasPart"]}
    for path in files:
        inside = path in described or path.startswith(FOLDER) or path in _UNDESCRIBED
        _require(inside, f"{path} is not described")
    for path in described - {FOLDER}:
        _require(path in files, f"{path} is described but not there")
    return f"RO-Crate 1.2: {len(graph)} entities, every file described"


def _references(entity: Mapping[str, Any]) -> list[str]:
    return [
        each["@id"]
        for key, value in entity.items()
        for each in (value if isinstance(value, list) else [value])
        if isinstance(each, dict) and key not in {"conformsTo", "additionalType"}
    ]


def _five_safes(graph: list[dict[str, Any]]) -> str:
    entities = {entity["@id"]: entity for entity in graph}
    root = entities["./"]
    _require(root["conformsTo"]["@id"] == PROFILE, "the root does not name the profile")
    _require(entities[PROFILE]["@type"] == "Profile", "the profile is not described")
    project = entities[root["sourceOrganization"]["@id"]]
    _require(project["@type"] == "Project", "there is no responsible project")
    workflow = entities[root["mainEntity"]["@id"]]
    _require(workflow["@type"] == "Dataset", "the workflow is no crate of its own")
    mentioned = {each["@id"] for each in root["mentions"]}
    actions = [each for each in graph if each["@type"] in {"CreateAction", "AssessAction"}]
    runs = [each for each in actions if each["@type"] == "CreateAction"]
    _require(runs, "there is no execution")
    for action in actions:
        _require(action["@id"] in mentioned, f"{action['@id']} is not mentioned by the root")
        _require(action.get("name"), f"{action['@id']} has no name")
    for run in runs:
        _require(run["instrument"]["@id"] == workflow["@id"], f"{run['@id']} ran something else")
        _require(entities[run["agent"]["@id"]]["@type"] == "Person", f"{run['@id']}: no person")
    return f"Five Safes 0.4: {len(runs)} executions, {len(actions) - len(runs)} assessments"


def _croissant(files: Mapping[str, bytes]) -> str:
    paths = [path for path in files if path.endswith(".croissant.json")]
    # What the validator's own libraries deprecate among themselves is not our reader's business.
    with warnings.catch_warnings(action="ignore"), tempfile.TemporaryDirectory() as folder:
        try:
            import mlcroissant  # noqa: PLC0415 - heavy, and an extra
        except ImportError:
            raise missing("mlcroissant") from None
        for path in paths:
            file = Path(folder) / "croissant.json"
            file.write_bytes(files[path])
            try:
                mlcroissant.Dataset(jsonld=file)
            except mlcroissant.ValidationError as error:
                raise ProofError(f"{path} is no valid Croissant description: {error}") from None
    return f"Croissant 1.0: {len(paths)} descriptions valid"


def _plan(pack: Pack) -> str:
    digest = f"sha256:{hashlib.sha256(pack.files['plan.json']).hexdigest()}"
    benchmark = pack.dossier.benchmark
    _require(digest == benchmark.analysis_plan_digest, "the plan is not the one that was frozen")
    return "the plan is the frozen one"


def _proof(files: Mapping[str, bytes]) -> str:
    key = NoteKey.from_text(files["proof/log-key.txt"].decode().strip())
    verdict = verify_bundle(Bundle.from_bytes(files["proof/bundle.json"]), key)
    _require(not verdict.failed, f"{len(verdict.failed)} checks of the bundle fail")
    _require(verdict.results, "no result is proven")
    return f"proofs: {len(verdict.checked)} checks hold, {len(verdict.missing)} not possible"
