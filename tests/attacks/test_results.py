"""Attacks of sites, model owners and others on what counts as a result."""

from dataclasses import replace

import pytest
from server_fixtures import digest, proof, typed_document

from medperf.client.api import ServerClient
from medperf.client.transport import SiteCredential
from medperf.domain.errors import (
    GrantError,
    MedPerfError,
    NotFoundError,
    SignatureError,
    UnauthenticatedError,
)
from medperf.domain.people import KeyRotation
from medperf.domain.results import ResultForm
from medperf.provenance.bundle import Bundle, LoggedEnvelope
from medperf.provenance.envelope import sign
from medperf.provenance.keys import PrivateKey
from medperf.provenance.predicates import DecisionPredicate, ResultPredicate
from medperf.provenance.statements import make_statement, read_any_statement
from medperf.server.call import Call, Caller
from medperf.server.log.appending import Said, append


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


def rotate(world):
    """North replaces its key; answers the next one and a client that has it."""
    north = world.federation.north
    following = PrivateKey.generate()
    form = KeyRotation(
        public_key=following.public.to_text(),
        proof=proof(following, f"medperf-rotate:{north.record.id}"),
    )
    north.client.sites.rotate_key(form)
    credential = SiteCredential(following, world.clock)
    return following, ServerClient("http://testserver", transport=world.transport(credential))


def test_a_late_result_of_a_revoked_key_is_refused(world):
    """Stopped by the server, which knows no site by a revoked key: a thief is too late."""
    federation = world.federation
    north = federation.north
    form = federation.result_form(north, federation.grant())
    federation.admin.client.sites.revoke_key(north.record.id, north.key.key_id, "disk stolen")
    with pytest.raises(UnauthenticatedError, match="revoked"):
        submit(world, form)
    assert not list(federation.cara.client.results.list())
    assert [each.state for each in federation.cara.client.executions.list()] == ["revoked"]


def test_a_result_that_a_replaced_key_signed_is_refused_though_the_site_hands_it_in(world):
    """Stopped by the statement's own signature: only an active key of the site signs results."""
    federation = world.federation
    form = federation.result_form(federation.north, federation.grant())
    _, current = rotate(world)
    with pytest.raises(SignatureError):
        current.results.submit(form)


def test_a_result_of_the_next_key_does_not_answer_the_grant_of_the_revoked_one(world):
    """Stopped by the grant, which was given to a key and taken back with it."""
    federation = world.federation
    answer = federation.grant()
    following, current = rotate(world)
    north = replace(federation.north, key=following)
    with pytest.raises(GrantError):
        current.results.submit(federation.result_form(north, answer))


def test_a_result_from_before_a_revocation_stays_valid_and_none_after_it_is_believed(world):
    """Stopped by step 4: the log's order decides what a revoked key could sign."""
    federation = world.federation
    north = federation.north
    result = federation.result()
    federation.admin.client.sites.revoke_key(north.record.id, north.key.key_id, "disk stolen")
    bundle = world.bundle(result)
    assert world.verdict(bundle).results
    # The server's operator helps the thief, and appends a late result to the log all the same.
    envelope = next(
        each.envelope
        for each in bundle.statements
        if isinstance(read_any_statement(each.envelope.content).predicate, ResultPredicate)
    )
    said = read_any_statement(envelope.content).predicate
    late = said.model_copy(update={"runner": "elsewhere"})
    program = world.app.state.program
    with program.database.writing() as connection:
        call = Call(connection, Caller(), world.clock(), program.identity)
        forged = sign(make_statement(late.subjects(), late), north.key)
        append(call, Said("result", f"result:{result.id}", forged, late.grant_digest))
    verdict = world.verdict(world.bundle(result))
    assert len(verdict.results) == 1
    assert any(each.step == 4 and "not valid at leaf" in each.detail for each in verdict.failed)
