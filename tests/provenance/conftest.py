"""A small federation's statements, signed and logged, for the tests of verification."""

from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from medperf.provenance.bundle import Bundle, LoggedEnvelope, LogProof
from medperf.provenance.canonical import digest_of
from medperf.provenance.checkpoint import Checkpoint, sign_checkpoint
from medperf.provenance.envelope import Envelope, sign
from medperf.provenance.keys import PrivateKey, Signer
from medperf.provenance.log_entry import LogEntry
from medperf.provenance.merkle import MemoryNodes, Tree
from medperf.provenance.notes import NoteKey
from medperf.provenance.predicates import (
    Approval,
    DatasetPredicate,
    Decider,
    DecisionPredicate,
    ExecutionInputs,
    GrantPredicate,
    KeyPredicate,
    PolicyPredicate,
    Predicate,
    ReleasePredicate,
    ResultPredicate,
    StepTimes,
)
from medperf.provenance.statements import make_statement
from medperf.provenance.verdict import Verdict
from medperf.provenance.verify import verify_bundle

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORIGIN = "medperf.example.org/log"


def digest(text: str) -> str:
    return digest_of(text.encode())


def key_from(number: int) -> PrivateKey:
    return PrivateKey.from_seed(bytes([number]) * 32)


@dataclass
class Federation:
    """Everyone's keys, and a log that takes what it is given."""

    log: PrivateKey = field(default_factory=lambda: key_from(1))
    server: PrivateKey = field(default_factory=lambda: key_from(2))
    site: PrivateKey = field(default_factory=lambda: key_from(3))
    person: PrivateKey = field(default_factory=lambda: key_from(4))
    tree: Tree = field(default_factory=lambda: Tree(MemoryNodes()))
    logged: list[tuple[Envelope, LogEntry | None]] = field(default_factory=list)

    @property
    def log_key(self) -> NoteKey:
        return NoteKey(ORIGIN, self.log.public)

    def record(
        self,
        predicate: Predicate,
        *signers: Signer,
        kind: str | None = None,
        subjects: dict[str, str] | None = None,
    ) -> Envelope:
        envelope = sign(make_statement(subjects or predicate.subjects(), predicate), signers)
        return self.append(envelope, kind or predicate.kind)

    def append(self, envelope: Envelope, kind: str) -> Envelope:
        entry = LogEntry(kind=kind, envelope_digest=envelope.digest, logged_at=NOON)
        self.tree.append(entry.leaf_hash)
        self.logged.append((envelope, entry))
        return envelope

    def enroll(
        self, key: PrivateKey, owner_type: str, owner_id: int | None, **changes: Any
    ) -> None:
        event = KeyPredicate(
            event="enrolled",
            public_key=key.public.to_text(),
            owner_type=owner_type,
            owner_id=owner_id,
            owner=f"the {owner_type}",
            at=NOON,
        )
        self.record(event.model_copy(update=changes), self.log)

    def revoke(self, key: PrivateKey, owner_type: str, owner_id: int | None) -> None:
        self.enroll(key, owner_type, owner_id, event="revoked")

    def decide(self, noun: str, noun_id: int, about: dict[str, str], changes: Any) -> None:
        decision = DecisionPredicate(
            decision="approved",
            noun=noun,
            noun_id=noun_id,
            digests=about,
            benchmark_id=None if noun == "benchmark" else INPUTS.benchmark_id,
            organization="Hospital",
            decided_by=Decider(name=f"{noun} approver", role="person", at=NOON, user_id=5),
        )
        self.record(decision.model_copy(update=changes), self.server)

    def bundle(self) -> Bundle:
        checkpoint = Checkpoint(ORIGIN, self.tree.size, self.tree.root())
        return Bundle(
            checkpoint=sign_checkpoint(checkpoint, self.log),
            statements=tuple(self._logged(i) for i in range(len(self.logged))),
        )

    def verdict(self, without: int | None = None) -> Verdict:
        bundle = Bundle.from_bytes(self.bundle().to_bytes())
        kept = tuple(s for i, s in enumerate(bundle.statements) if i != without)
        return verify_bundle(bundle.model_copy(update={"statements": kept}), self.log_key)

    def _logged(self, index: int) -> LoggedEnvelope:
        envelope, entry = self.logged[index]
        if entry is None:
            return LoggedEnvelope(envelope=envelope)
        proof = tuple(b64encode(step).decode() for step in self.tree.prove_inclusion(index))
        log = LogProof(leaf=entry.to_bytes().decode(), index=index, proof=proof)
        return LoggedEnvelope(envelope=envelope, log=log)


INPUTS = ExecutionInputs(
    benchmark_id=1,
    benchmark_digest=digest("benchmark"),
    dataset_id=2,
    dataset_fingerprint="blake3:" + "ab" * 32,
    model_id=3,
    model_image_digest=digest("model image"),
    model_parameters_digest=digest("model parameters"),
    evaluator_image_digest=digest("evaluator image"),
    analysis_plan_digest=digest("plan"),
)


def dataset_predicate(**changes: Any) -> DatasetPredicate:
    return DatasetPredicate(
        dataset_id=INPUTS.dataset_id,
        site_id=9,
        fingerprint=INPUTS.dataset_fingerprint,
        preparator_image_digest=digest("preparator"),
        statistics_digest=digest("statistics"),
        prepared_at=NOON,
    ).model_copy(update=changes)


def grant_predicate(site: Signer, **changes: Any) -> GrantPredicate:
    return GrantPredicate(
        **INPUTS.model_dump(),
        grant_id=7,
        nonce="n" * 32,
        server="https://medperf.example.org",
        site_id=9,
        site_key_id=site.key_id,
        issued_at=NOON,
        expires_at=NOON + timedelta(days=1),
    ).model_copy(update=changes)


def result_predicate(grant: Envelope, **changes: Any) -> ResultPredicate:
    document = {"schema": "medperf.results/v1", "metrics": [{"name": "auc", "value": 0.875}]}
    return ResultPredicate(
        **INPUTS.model_dump(),
        grant_digest=grant.payload_digest,
        grant_id=7,
        site_id=9,
        result=document,
        result_digest=digest_of(document),
        runner="podman",
        isolation={"network": "none"},
        steps=(
            StepTimes(task="infer", started_at=NOON + timedelta(hours=1), ended_at=NOON),
            StepTimes(task="evaluate", started_at=NOON + timedelta(hours=2), ended_at=NOON),
        ),
        policy_decisions=({"action": "run", "decision": "ask"},),
        approvals=(Approval(name="Dr. Checker", role="output checker", at=NOON),),
        output_digests={"predictions": digest("predictions")},
    ).model_copy(update=changes)


class Story:
    """The usual course of things, with a place to change each part of it."""

    inputs = INPUTS
    dataset_predicate = staticmethod(dataset_predicate)

    def __init__(self) -> None:
        self.federation = Federation()

    def keys(self) -> None:
        self.federation.enroll(self.federation.server, "server", None)
        self.federation.enroll(self.federation.site, "site", 9)

    def approvals(self, **changes: dict[str, Any]) -> None:
        digests = INPUTS.subjects()
        for noun, noun_id, names in (
            ("benchmark", 1, ("benchmark", "evaluator/image", "analysis_plan")),
            ("model", 3, ("model/image", "model/parameters")),
            ("dataset", 2, ("dataset",)),
        ):
            about = {name: digests[name] for name in names}
            self.federation.decide(noun, noun_id, about, changes.get(noun, {}))

    def dataset(self, **changes: Any) -> None:
        self.federation.record(dataset_predicate(**changes), self.federation.site)

    def grant(self, **changes: Any) -> Envelope:
        predicate = grant_predicate(self.federation.site, **changes)
        return self.federation.record(predicate, self.federation.server)

    def result(self, grant: Envelope, **changes: Any) -> Envelope:
        return self.federation.record(result_predicate(grant, **changes), self.federation.site)

    def release(self, result: Envelope, **changes: Any) -> Envelope:
        said = result_predicate(self.federation.logged[-2][0])
        predicate = ReleasePredicate(
            grant_id=7,
            result_digest=said.result_digest,
            result_statement_digest=result.payload_digest,
            audience="public",
            detail="per_site",
            released_at=NOON,
        )
        return self.federation.record(predicate.model_copy(update=changes), self.federation.server)

    def policy(self, site_id: int | None) -> Envelope:
        predicate = PolicyPredicate(
            policy_version=1,
            policy_digest=digest("policy"),
            site_id=site_id,
            approved_by=(Approval(name="Head", role="data owner", at=NOON),),
            in_force_at=NOON,
        )
        return self.federation.record(predicate, self.federation.site)

    def unlogged_grant(self) -> Envelope:
        predicate = grant_predicate(self.federation.site)
        return sign(make_statement(predicate.subjects(), predicate), self.federation.server)

    def all(self) -> Envelope:
        self.keys()
        self.dataset()
        self.approvals()
        return self.result(self.grant())


@pytest.fixture
def federation() -> Federation:
    return Federation()


@pytest.fixture
def story() -> Story:
    return Story()
