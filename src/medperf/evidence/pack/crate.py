"""A pack for programs: RO-Crate 1.2 metadata by the Five Safes profile 0.4.

https://www.researchobject.org/ro-crate/specification/1.2/ and https://w3id.org/5s-crate/0.4. Safe
people, projects, data, settings and outputs become persons, a project, datasets, executions and
assessments: every person who approved something, as the signed statements of the bundle say.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from medperf import __version__
from medperf.evidence.dossier import Dossier, Proof
from medperf.evidence.pack.workflow import FOLDER as WORKFLOW
from medperf.provenance.bundle import Bundle
from medperf.provenance.predicates import (
    AgreementPredicate,
    Approval,
    DecisionPredicate,
    PolicyPredicate,
    Predicate,
    ResultPredicate,
)
from medperf.provenance.statements import read_any_statement
from medperf.provenance.verdict import VerifiedResult

CONTEXT = "https://w3id.org/ro/crate/1.2/context"
SPECIFICATION = "https://w3id.org/ro/crate/1.2"
PROFILE = "https://w3id.org/5s-crate/0.4"
_SHP = "https://w3id.org/shp#"
_COMPLETED = "http://schema.org/CompletedActionStatus"
_FAILED = "http://schema.org/FailedActionStatus"
_PROGRAM = "#medperf"
_PROJECT = "#project"
_SERVER = "#server"
_TERMS = "#terms"

Entity = dict[str, Any]


@dataclass(frozen=True, slots=True)
class File:
    """A file of the pack as the metadata name it."""

    path: str
    name: str
    encoding: str


def crate(dossier: Dossier, proof: Proof, files: Iterable[File]) -> Entity:
    """The metadata document."""
    described = list(files)
    actions = [*_executions(dossier, proof), *_assessments(dossier, proof)]
    entities = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "about": _to("./"),
            "conformsTo": _to(SPECIFICATION),
        },
        _root(dossier, described, actions),
        *(_file(file) for file in described),
        *_parts(dossier, proof),
        *actions,
        *_people(dossier, proof),
        *_contextual(dossier),
    ]
    unique = {entity["@id"]: entity for entity in entities}
    return {"@context": CONTEXT, "@graph": list(unique.values())}


def _root(dossier: Dossier, files: list[File], actions: list[Entity]) -> Entity:
    benchmark, board = dossier.benchmark, dossier.leaderboard
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Evidence of {benchmark.name}, version {benchmark.version}",
        "description": f"{benchmark.clinical_task}. Results, what they rest on, and its proof.",
        "identifier": benchmark.digest,
        "datePublished": _time(board.as_of),
        "license": _to(_TERMS),
        "publisher": _to(_SERVER),
        "author": _to(_committee(dossier)),
        "conformsTo": _to(PROFILE),
        "mainEntity": _to(WORKFLOW),
        "sourceOrganization": _to(_PROJECT),
        "mentions": [_to(action["@id"]) for action in actions],
        "hasPart": [*(_to(file.path) for file in files), _to(WORKFLOW)],
    }


def _file(file: File) -> Entity:
    return {
        "@id": file.path,
        "@type": "File",
        "name": file.name,
        "description": file.name,
        "encodingFormat": file.encoding,
    }


def _parts(dossier: Dossier, proof: Proof) -> Iterator[Entity]:
    yield {
        "@id": WORKFLOW,
        "@type": "Dataset",
        "name": f"Workflow of {dossier.benchmark.name}",
        "description": "Prepare, infer, evaluate: a Workflow RO-Crate of its own.",
        "conformsTo": _to("https://w3id.org/workflowhub/workflow-ro-crate/1.0"),
        "license": _to(_TERMS),
        "datePublished": _time(dossier.benchmark.created_at),
    }
    for kind, digest, name in _documents(proof):
        yield {
            "@id": f"urn:digest:{digest}",
            "@type": "CreativeWork",
            "name": name,
            "additionalType": kind,
            "identifier": digest,
        }


def _documents(proof: Proof) -> Iterator[tuple[str, str, str]]:
    for said in _statements(proof):
        if isinstance(said, PolicyPredicate):
            yield "policy", said.policy_digest, f"Policy {said.policy_version} of {_owner(said)}"
        elif isinstance(said, AgreementPredicate):
            parties = ", ".join(party.name for party in said.parties)
            title = f"{said.agreement_type.replace('_', ' ')} agreement of {parties}"
            yield "agreement", said.document_digest, title.capitalize()


def _owner(policy: PolicyPredicate) -> str:
    if policy.site_id is not None:
        return f"site {policy.site_id}"
    return f"benchmark {policy.benchmark_id}"


def _statements(proof: Proof) -> Iterator[Predicate]:
    for logged in Bundle.from_bytes(proof.bundle).statements:
        yield read_any_statement(logged.envelope.content).predicate


# Safe settings: every execution, with what went in and what came out.
def _executions(dossier: Dossier, proof: Proof) -> Iterator[Entity]:
    known = {model.id for model in dossier.models}, {each.id for each in dossier.datasets}
    for result in proof.verdict.results:
        yield _execution(dossier, result, *known)


def _execution(
    dossier: Dossier, result: VerifiedResult, models: set[int], datasets: set[int]
) -> Entity:
    said = result.statement.predicate
    inputs = [_to("plan.json")]
    if said.dataset_id in datasets:
        inputs.append(_to(f"datasets/{said.dataset_id}.croissant.json"))
    if said.model_id in models:
        inputs.append(_to(f"models/{said.model_id}.md"))
    times = {}
    if said.steps:
        times = {
            "startTime": _time(min(step.started_at for step in said.steps)),
            "endTime": _time(max(step.ended_at for step in said.steps)),
        }
    return {
        "@id": f"#execution-{said.grant_id}",
        "@type": "CreateAction",
        "name": f"Model {said.model_id} on dataset {said.dataset_id} at site {said.site_id}",
        "description": f"Runner {said.runner}; leaf {result.log_index} of the log.",
        "actionStatus": _COMPLETED,
        **times,
        "agent": _to(_person("benchmark owner", dossier.committee)),
        "instrument": _to(WORKFLOW),
        "object": inputs,
        "result": _to(f"results/{said.grant_id}.json"),
    }


# Safe outputs and projects: who checked and who approved, by the signed statements.
def _assessments(dossier: Dossier, proof: Proof) -> Iterator[Entity]:
    verdict, at = proof.verdict, _time(dossier.leaderboard.as_of)
    passed = "passed" if verdict.is_verified else f"{len(verdict.missing)} checks were not possible"
    yield {
        "@id": "#validation",
        "@type": "AssessAction",
        "additionalType": _to(f"{_SHP}ValidationCheck"),
        "name": f"Verification of {len(verdict.results)} results against the log's key: {passed}",
        "actionStatus": _FAILED if verdict.failed else _COMPLETED,
        "endTime": at,
        "agent": _to(_PROGRAM),
        "instrument": _to(PROFILE),
        "object": [_to("./"), _to("proof/bundle.json")],
    }
    for index, said in enumerate(_statements(proof)):
        if isinstance(said, DecisionPredicate):
            yield _sign_off(index, said)
        elif isinstance(said, ResultPredicate):
            yield from _disclosure(index, said)


def _sign_off(index: int, said: DecisionPredicate) -> Entity:
    about = f"{said.noun} {said.noun_id}"
    return {
        "@id": f"#sign-off-{index}",
        "@type": "AssessAction",
        "additionalType": _to(f"{_SHP}SignOff"),
        "name": f"{about.capitalize()}: {said.decision}, by {said.organization}",
        "actionStatus": _FAILED if said.decision in {"reject", "rejected"} else _COMPLETED,
        "endTime": _time(said.decided_by.at),
        "agent": _to(_approver(said.decided_by)),
        "object": [_to("./"), _to(WORKFLOW), _to(_PROJECT)],
    }


def _disclosure(index: int, said: ResultPredicate) -> Iterator[Entity]:
    shared = {
        "@type": "AssessAction",
        "additionalType": _to(f"{_SHP}DisclosureCheck"),
        "actionStatus": _COMPLETED,
        "object": [_to("./"), _to(f"results/{said.grant_id}.json")],
    }
    about = f"Release of the result of execution {said.grant_id} from site {said.site_id}"
    for position, approval in enumerate(said.approvals):
        yield {
            "@id": f"#disclosure-{index}-{position}",
            "name": f"{about}: approved by the {approval.role}",
            "endTime": _time(approval.at),
            "agent": _to(_approver(approval)),
            **shared,
        }
    if not said.approvals:
        yield {
            "@id": f"#disclosure-{index}",
            "name": f"{about}: allowed by the site's policy",
            "agent": _to(_PROGRAM),
            **shared,
        }


# Safe people.
def _people(dossier: Dossier, proof: Proof) -> Iterator[Entity]:
    yield {
        "@id": _person("benchmark owner", dossier.committee),
        "@type": "Person",
        "name": f"Benchmark owner of {dossier.committee}",
        "affiliation": _to(_committee(dossier)),
        "memberOf": _to(_PROJECT),
    }
    for said in _statements(proof):
        approvals: tuple[Approval, ...] = ()
        if isinstance(said, DecisionPredicate):
            approvals = (said.decided_by,)
        elif isinstance(said, ResultPredicate):
            approvals = said.approvals
        for approval in approvals:
            yield {
                "@id": _approver(approval),
                "@type": "Person",
                "name": approval.name,
                "jobTitle": approval.role,
                "memberOf": _to(_PROJECT),
            }


def _contextual(dossier: Dossier) -> Iterator[Entity]:
    benchmark = dossier.benchmark
    yield {"@id": PROFILE, "@type": "Profile", "name": "Five Safes RO-Crate profile"}
    yield {
        "@id": _PROJECT,
        "@type": "Project",
        "name": benchmark.name,
        "description": benchmark.clinical_task,
        "identifier": f"{dossier.server}/api/v1/benchmarks/{benchmark.id}",
        "member": _to(_committee(dossier)),
    }
    yield {"@id": _committee(dossier), "@type": "Organization", "name": dossier.committee}
    yield {
        "@id": _SERVER,
        "@type": "Organization",
        "name": f"Operator of {dossier.server}",
        "url": dossier.server,
    }
    yield {
        "@id": _PROGRAM,
        "@type": "SoftwareApplication",
        "name": "MedPerf",
        "version": __version__,
        "url": "https://medperf.org",
        "provider": _to(_SERVER),
    }
    yield {
        "@id": _TERMS,
        "@type": "CreativeWork",
        "name": "Terms of use",
        "description": (
            f"As agreed with {dossier.committee}; who may see what is the benchmark's release"
            " policy, in benchmark.json."
        ),
    }


def _approver(approval: Approval) -> str:
    return _person(approval.role, approval.name)


def _person(role: str, name: str) -> str:
    slug = "".join(letter if letter.isalnum() else "-" for letter in f"{role}-{name}".lower())
    return f"#person-{slug}"


def _committee(dossier: Dossier) -> str:
    return f"#organization-{dossier.benchmark.organization_id}"


def _to(target: str) -> dict[str, str]:
    return {"@id": target}


def _time(at: Any) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
