"""A whole leaderboard and all that proves it: 41 sites, 32 models, a result of each pair."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

from medperf.provenance.bundle import Bundle, LoggedEnvelope, LogProof
from medperf.provenance.canonical import digest_of
from medperf.provenance.checkpoint import Checkpoint, log_key, sign_checkpoint
from medperf.provenance.envelope import Envelope, sign
from medperf.provenance.keys import PrivateKey
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
    Predicate,
    ResultPredicate,
    StepTimes,
)
from medperf.provenance.statements import make_statement

N_SITES, N_MODELS, N_METRICS = 41, 32, 8
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PLAN = {"metrics": [{"name": f"metric_{i}"} for i in range(N_METRICS)], "primary": "metric_0"}
_BENCHMARK = 1


class Play:
    """Everything that is said until the leaderboard stands, in the order it is said."""

    def __init__(self) -> None:
        self.server = PrivateKey.generate()
        self.sites = [PrivateKey.generate() for _ in range(N_SITES)]
        self._tree = Tree(MemoryNodes())
        self._logged: list[tuple[Envelope, LogEntry]] = []
        self._key("server", None, self.server)
        for number, key in enumerate(self.sites, 1):
            self._key("site", number, key)
        self._decide("benchmark", _BENCHMARK, ("benchmark", "evaluator/image", "analysis_plan"))
        for model in range(1, N_MODELS + 1):
            self._decide("model", model, ("model/image", "model/parameters"))
        for site in range(1, N_SITES + 1):
            self._dataset(site)
            self._decide("dataset", site, ("dataset",))
        for model in range(1, N_MODELS + 1):
            for site in range(1, N_SITES + 1):
                self._result(site, model)

    @property
    def log_key(self) -> NoteKey:
        """The key to trust."""
        return log_key(self.server.public)

    def bundle(self) -> Bundle:
        """All of it with its proofs, and the leaderboard."""
        checkpoint = Checkpoint(self.log_key.name, self._tree.size, self._tree.root())
        statements = []
        for index, (envelope, entry) in enumerate(self._logged):
            proof = tuple(b64encode(step).decode() for step in self._tree.prove_inclusion(index))
            log = LogProof(leaf=entry.to_bytes().decode(), index=index, proof=proof)
            statements.append(LoggedEnvelope(envelope=envelope, log=log))
        return Bundle(
            checkpoint=sign_checkpoint(checkpoint, self.server),
            statements=tuple(statements),
            leaderboard={
                "analysis_plan": PLAN,
                "rows": [_row(model) for model in range(1, N_MODELS + 1)],
            },
        )

    def _say(self, predicate: Predicate, key: PrivateKey, about: str | None = None) -> Envelope:
        envelope = sign(make_statement(predicate.subjects(), predicate), key)
        entry = LogEntry(
            kind=predicate.kind,
            envelope_digest=envelope.digest,
            logged_at=NOON,
            about_digest=about,
            payload_digest=envelope.payload_digest,
        )
        self._tree.append(entry.leaf_hash)
        self._logged.append((envelope, entry))
        return envelope

    def _key(self, owner_type: str, owner_id: int | None, key: PrivateKey) -> None:
        event = KeyPredicate(
            event="enrolled",
            public_key=key.public.to_text(),
            owner_type=owner_type,
            owner_id=owner_id,
            owner=f"{owner_type} {owner_id or ''}".strip(),
            at=NOON,
        )
        self._say(event, self.server)

    def _decide(self, noun: str, number: int, names: tuple[str, ...]) -> None:
        site, model = (number, 1) if noun == "dataset" else (1, number)
        digests = inputs(site, model).subjects()
        decision = DecisionPredicate(
            decision="approved",
            noun=noun,
            noun_id=number,
            digests={name: digests[name] for name in names},
            benchmark_id=None if noun == "benchmark" else _BENCHMARK,
            organization=f"Organization {number}",
            decided_by=Decider(name="An approver", role="person", at=NOON, user_id=5),
        )
        self._say(decision, self.server)

    def _dataset(self, site: int) -> None:
        predicate = DatasetPredicate(
            dataset_id=site,
            site_id=site,
            fingerprint=inputs(site, 1).dataset_fingerprint,
            preparator_image_digest=named("preparator"),
            statistics_digest=named(f"statistics {site}"),
            prepared_at=NOON,
        )
        self._say(predicate, self.sites[site - 1])

    def _result(self, site: int, model: int) -> None:
        key, number = self.sites[site - 1], model * 1000 + site
        granted = GrantPredicate(
            **inputs(site, model).model_dump(),
            grant_id=number,
            nonce=f"{number:032}",
            server="Bench",
            site_id=site,
            site_key_id=key.key_id,
            issued_at=NOON,
            expires_at=NOON + DAY,
        )
        grant = self._say(granted, self.server).payload_digest
        document = {"schema": "medperf.results/v1", "n_cases": 100, "metrics": metrics(site, model)}
        result = ResultPredicate(
            **inputs(site, model).model_dump(),
            grant_digest=grant,
            grant_id=number,
            site_id=site,
            result=document,
            result_digest=digest_of(document),
            runner="podman",
            isolation={"infer": {"network": "none"}, "evaluate": {"network": "none"}},
            steps=tuple(
                StepTimes(task=task, started_at=NOON, ended_at=NOON)
                for task in ("infer", "evaluate")
            ),
            policy_decisions=({"action": "run", "answer": "approved"},),
            approvals=(Approval(name="Dr. Checker", role="output checker", at=NOON),),
            output_digests={"predictions": named(f"predictions {number}")},
        )
        self._say(result, key, grant)


def inputs(site: int, model: int) -> ExecutionInputs:
    """What a result of this model at this site rests on."""
    return ExecutionInputs(
        benchmark_id=_BENCHMARK,
        benchmark_digest=named("benchmark"),
        dataset_id=site,
        dataset_fingerprint=f"blake3:{site:064x}",
        model_id=model,
        model_image_digest=named(f"model {model}"),
        model_parameters_digest=named(f"parameters {model}"),
        evaluator_image_digest=named("evaluator"),
        analysis_plan_digest=digest_of(PLAN),
    )


def metrics(site: int, model: int) -> list[dict[str, Any]]:
    """The numbers of one result."""
    return [
        {"name": f"metric_{i}", "value": (site * 37 + model * 11 + i) % 1000 / 1000, "n": 100}
        for i in range(N_METRICS)
    ]


def named(text: str) -> str:
    """A digest."""
    return digest_of(text.encode())


def _row(model: int) -> dict[str, Any]:
    of_sites = [metrics(site, model) for site in range(1, N_SITES + 1)]
    cells = [
        {
            "metric": f"metric_{i}",
            "sites": [{"value": each[i]["value"], "n": each[i]["n"]} for each in of_sites],
        }
        for i in range(N_METRICS)
    ]
    return {"model_id": model, "n_results": N_SITES, "cells": cells}
