"""Grants: the server's permission for one execution, verified before anything runs.

A grant must be signed by the server's key, be for this site and key, be in force now, and name
exactly the digests that this site found by itself. One that a former key of the server signed holds
only if the log proves that it was signed while that key was in force.
"""

from dataclasses import dataclass
from datetime import timedelta

from medperf.client.log import Log
from medperf.client.log_watch import LogWatch
from medperf.client.transport import Transport
from medperf.domain.benchmarks import Benchmark
from medperf.domain.clock import Clock
from medperf.domain.container_records import Container
from medperf.domain.errors import ClockSkewError, DigestMismatchError, GrantError, SignatureError
from medperf.domain.identifiers import format_time
from medperf.provenance.envelope import Envelope, verified_signers, verify
from medperf.provenance.predicates import ExecutionInputs, GrantPredicate
from medperf.provenance.request_signing import MAX_SKEW_S
from medperf.provenance.statements import Statement, read_statement


@dataclass(frozen=True, slots=True)
class GrantVerifier:
    """What this site knows by itself about any grant it may get."""

    log_watch: LogWatch
    transport: Transport
    site_id: int
    site_key_id: str
    clock: Clock

    def verify(self, envelope: Envelope, inputs: ExecutionInputs) -> Statement[GrantPredicate]:
        """Answer the grant if it permits exactly these inputs here and now.

        Raises:
            SignatureError: it is not signed by the server's key, or by a former one too late.
            GrantError: it is for another site or key, or expired.
            ClockSkewError: it was issued in this machine's future.
            DigestMismatchError: it names other inputs; the message says which.
            UnavailableError: only the server can tell whether it holds, and is away.
        """
        try:
            payload = self._signed(envelope)
        except SignatureError as error:
            raise SignatureError(f"this grant is not the trusted server's: {error}") from error
        grant = read_statement(payload, GrantPredicate)
        said = grant.predicate
        if (said.site_id, said.site_key_id) != (self.site_id, self.site_key_id):
            raise GrantError(f"the grant is for site {said.site_id} with key {said.site_key_id}")
        if wrong := inputs.differences(said):
            raise DigestMismatchError(
                "the grant names other inputs than this site found: "
                + ", ".join(f"{n} {getattr(said, n)}, not {getattr(inputs, n)}" for n in wrong)
            )
        self._require_in_force(said)
        return grant

    def _signed(self, envelope: Envelope) -> bytes:
        signers = {each.keyid for each in envelope.signatures}
        if self.log_watch.keys.current.public.key_id not in signers:
            self.log_watch.demand(self.transport)  # the next key may sign already
        keys = self.log_watch.keys
        current = keys.current.public
        if current.key_id in signers:
            return verify(envelope, {current.key_id: current})
        former = {span.public.key_id: span.public for span in keys.history().values()}
        payload, signed_by = verified_signers(envelope, former)
        inclusion = Log(self.transport).proof(envelope=envelope.digest)
        leaf = self.log_watch.accept_inclusion(self.transport, inclusion, envelope.digest)
        if keys.at_leaf(leaf).key_id not in signed_by:
            raise SignatureError(
                f"a former key signed it, and it was logged as leaf {leaf}, after that key's time"
            )
        return payload

    def _require_in_force(self, grant: GrantPredicate) -> None:
        now = self.clock()
        if grant.expires_at <= now:
            raise GrantError(f"the grant expired at {format_time(grant.expires_at)}")
        if grant.issued_at > now + timedelta(seconds=MAX_SKEW_S):
            raise ClockSkewError(
                f"the grant was issued at {format_time(grant.issued_at)},"
                f" here it is {format_time(now)}"
            )


def execution_inputs(
    benchmark: Benchmark,
    *,
    dataset_id: int,
    fingerprint: str,
    model_id: int,
    model: Container,
    evaluator: Container,
) -> ExecutionInputs:
    """Everything that could change the number, as this site found it."""
    return ExecutionInputs(
        benchmark_id=benchmark.id,
        benchmark_digest=benchmark.digest,
        dataset_id=dataset_id,
        dataset_fingerprint=fingerprint,
        model_id=model_id,
        model_image_digest=model.image_digest,
        model_parameters_digest=model.parameters_digest,
        model_additional_files_digest=_additional(model),
        evaluator_image_digest=evaluator.image_digest,
        evaluator_parameters_digest=evaluator.parameters_digest,
        evaluator_additional_files_digest=_additional(evaluator),
        analysis_plan_digest=benchmark.analysis_plan_digest,
    )


def _additional(container: Container) -> str | None:
    return container.additional_files.digest if container.additional_files else None
