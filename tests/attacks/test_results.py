"""Attacks of sites, model owners and others on what counts as a result."""

import pytest
from server_fixtures import digest, typed_document

from medperf.domain.errors import GrantError, MedPerfError, NotFoundError, SignatureError
from medperf.domain.results import ResultForm
from medperf.provenance.bundle import Bundle, LoggedEnvelope
from medperf.provenance.envelope import sign
from medperf.provenance.keys import PrivateKey
from medperf.provenance.predicates import DecisionPredicate
from medperf.provenance.statements import make_statement, read_any_statement


def submit(world, form):
    return world.federation.north.client.results.submit(form)


def test_a_result_without_a_grant_is_refused(world):
    """Stopped by the server: no execution has the number that the statement names."""
    answer = world.federation.grant()
    form = world.federation.result_form(world.federation.north, answer, grant_id=999)
    with pytest.raises(NotFoundError):
        submit(world, form)


def test_a_grant_is_used_once(world):
    """Stopped by the execution's lifecycle: completed is not live."""
    answer = world.federation.grant()
    submit(world, world.federation.result_form(world.federation.north, answer))
    again = world.federation.result_form(world.federation.north, answer, typed_document(0.99))
    with pytest.raises(GrantError):
        submit(world, again)


@pytest.mark.parametrize(
    "swapped",
    ["model_image_digest", "model_parameters_digest", "dataset_fingerprint", "benchmark_digest"],
)
def test_what_was_approved_cannot_be_swapped_for_something_else(world, swapped):
    """Stopped by the grant, which binds every input by its digest."""
    answer = world.federation.grant()
    form = world.federation.result_form(
        world.federation.north, answer, **{swapped: digest("another")}
    )
    with pytest.raises(GrantError, match=swapped):
        submit(world, form)


def test_a_result_signed_by_somebody_else_is_refused(world):
    """Stopped by the key to which the grant was given."""
    federation = world.federation
    form = federation.result_form(federation.north, federation.grant())
    from medperf.provenance.envelope import Envelope

    payload = Envelope.from_value(form.statement).content
    forged = sign(payload, PrivateKey.generate())
    with pytest.raises(SignatureError):
        submit(world, ResultForm(statement=forged.to_value()))


def test_a_forged_approval_supports_nothing(world):
    """Stopped by the log: a decision without a leaf is not believed, whoever signed it."""
    result = world.federation.result()
    bundle = world.bundle(result)
    kept, forged = [], None
    for each in bundle.statements:
        said = read_any_statement(each.envelope.content).predicate
        if isinstance(said, DecisionPredicate) and said.noun == "benchmark":
            forged = sign(make_statement(said.subjects(), said), PrivateKey.generate())
            kept.append(LoggedEnvelope(envelope=forged, log=each.log))
        else:
            kept.append(each)
    assert forged is not None
    verdict = world.verdict(Bundle(checkpoint=bundle.checkpoint, statements=tuple(kept)))
    assert 2 in {finding.step for finding in verdict.failed}
    assert 9 in {finding.step for finding in verdict.missing}


def test_a_bundle_that_leaves_out_the_grant_is_not_verified(world):
    """Stopped by step 6: what cannot be checked is missing, and missing is not verified."""
    bundle = world.bundle(world.federation.result())
    statements = tuple(
        each
        for each in bundle.statements
        if read_any_statement(each.envelope.content).predicate.kind != "grant"
    )
    verdict = world.verdict(Bundle(checkpoint=bundle.checkpoint, statements=statements))
    assert 6 in {finding.step for finding in verdict.missing}
    assert not verdict.is_verified


def test_a_swapped_leaderboard_number_is_found(world):
    """Stopped by step 11: the number stands in no proven result."""
    federation = world.federation
    result = federation.result(0.8)
    federation.cara.client.results.act(result.id, "approve")
    shown = federation.cara.client.benchmarks.bundle(federation.benchmark_record.id)
    honest = shown.model_dump(mode="json")
    for value, expected in ((0.8, False), (0.95, True)):
        honest["leaderboard"]["rows"][0]["cells"][0]["sites"][0]["value"] = value
        verdict = world.verdict(Bundle.model_validate(honest))
        assert (11 in {finding.step for finding in verdict.failed}) is expected


def test_a_site_cannot_decide_about_its_own_result(world):
    """Stopped by the server: nobody of the dataset's side decides."""
    result = world.federation.result()
    with pytest.raises(MedPerfError, match="nobody of the dataset's"):
        world.federation.hana.client.results.act(result.id, "approve")
