"""Work goes in on a stick, results come out on a stick; everything else is as it ever was."""

import base64
import json
from datetime import timedelta
from zipfile import ZipFile

import pytest
from federation.courier import AirGapped, take_part
from federation.federation import ASK, ASK_TO_RELEASE, EVERYTHING, Federation, ServerThread

from medperf.domain import errors
from medperf.domain.agreements import AgreementForm
from medperf.domain.clock import system_clock
from medperf.policy.templates import Choice, compose
from medperf.provenance.envelope import Envelope
from medperf.provenance.predicates import PolicyPredicate
from medperf.provenance.statements import read_any_statement
from medperf.site.enrollment import finish_enrolling
from medperf.site.folder import SiteFolder
from medperf.site.review import Person

NEEDED = EVERYTHING + compose([Choice("only-under-agreement", {"kind": "data_use"})])


@pytest.fixture
def hospital(federation, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDPERF_HOME", str(tmp_path / "courier"))
    return AirGapped(federation, f"Air gap{federation._tag}", tmp_path)


@pytest.fixture
def working(hospital, federation):
    """A hospital that takes part; the next bundle brings its first work."""
    federation.add_model("Model A")
    take_part(hospital, federation)
    return hospital


def test_a_site_without_a_network_enrolls_registers_runs_and_reports(hospital, federation):
    federation.add_model("Model A")
    take_part(hospital, federation)
    hospital.take_in(hospital.work())
    assert hospital.states() == ["releasing"]
    [sent] = hospital.submit(hospital.results())
    assert sent["status"] == 201
    result = federation.the_result()
    assert result.document["metrics"] == [{"name": "accuracy", "value": 0.9123, "n": 10}]
    hospital.take_in(hospital.work())
    assert hospital.states() == ["reported"]
    with hospital.site.opened() as site:
        assert site.ledger.lines()[-1].answers[-1][1] == f"result:{result.id}"
        assert not site.mailbox.outgoing()


def test_people_decide_at_the_site_as_ever(working, federation):
    working.site.let(ASK)
    working.take_in(working.work())
    assert working.states() == ["waiting_to_run"]
    # Another bundle does not take away what was granted and waits for a person.
    working.take_in(working.work())
    assert working.states() == ["waiting_to_run"]
    with working.site.opened() as site:
        site.review.approve(1, Person("Ada"))
        site.agent().settle()
        item = site.review.item(1)
        assert item.question == "release"
        site.review.approve(1, Person("Ben"), digest=item.digest)
        site.agent().settle()
    working.go_around()
    assert working.states() == ["reported"]
    [sent] = federation.results()
    approvals = federation.the_result().statement
    assert sent.state == "approved"
    assert approvals is not None


def test_a_policy_that_denies_lets_nothing_run(working, federation):
    working.site.let('@id("nothing") forbid (principal, action, resource);')
    working.take_in(working.work())
    assert working.states() == ["queued"]
    assert working.site.tasks_run() == []
    assert federation.results() == []


def test_a_failure_is_carried_as_a_code_and_numbers(working, federation):
    working.site.functions["infer"] = lambda call: call.log("patient 7") or 3
    working.take_in(working.work())
    assert working.states() == ["failed"]
    out = working.results()
    assert b"patient" not in out.read_bytes()
    working.submit(out)
    [execution] = federation.executions()
    assert (execution.state, execution.failure_code) == ("failed", "step-failed")
    working.take_in(working.work())
    with working.site.opened() as site:
        assert site.jobs.owing_failures() == []


def test_a_revocation_is_carried_and_stops_the_job(working, federation):
    working.site.let(ASK_TO_RELEASE)
    working.take_in(working.work())
    assert working.states() == ["waiting_to_release"]
    associations = federation.committee.associations.list(
        benchmark_id=federation.benchmark.id, kind="model"
    )
    for each in associations:
        federation.vendor.associations.act(each.id, "withdraw")
    working.take_in(working.work())
    assert working.states() == ["cancelled"]


def test_a_results_bundle_that_was_changed_or_cut_short_is_refused(working):
    working.take_in(working.work())
    file = working.results()
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    assert working.submit(file, status=2)["code"] == "malformed-file"
    envelope = json.loads(whole)
    payload = base64.b64decode(envelope["payload"])
    later = payload.replace(b'"20', b'"21', 1)  # a time a hundred years on, and all else as it was
    assert later != payload
    file.write_text(json.dumps({**envelope, "payload": base64.b64encode(later).decode()}))
    assert working.submit(file, status=7)["code"] == "signature"


def test_a_results_bundle_brought_twice_does_nothing_twice(working, federation):
    working.take_in(working.work())
    file = working.results()
    [first] = working.submit(file)
    [second] = working.submit(file)
    assert (first["answer"], first["again"]) == (second["answer"], False)
    assert second["again"]
    assert len(federation.results()) == 1


def test_a_courier_of_another_organization_can_neither_bring_nor_fetch(working, federation):
    working.take_in(working.work())
    out = working.results()
    working.login(federation.organization("Stranger"))
    [sent] = working.submit(out)
    assert sent["answer"].startswith("forbidden")
    assert federation.results() == []


def test_a_courier_can_change_no_request(working, federation):
    """The outer signature is the site's; so is that of every request inside."""
    from medperf.cli import bundle as commands
    from medperf.cli import profiles
    from medperf.client.carrying import ResultsBundle

    working.take_in(working.work())
    bundle = ResultsBundle.read(working.results())
    [request] = bundle.requests
    with working.site.opened() as site:
        courier = commands._courier(profiles.choose(), site.signer.key_id)
    forged = request.model_copy(update={"body": request.body + b" "})
    assert courier.deliver(forged).status == 422
    bare = request.model_copy(update={"authorization": None})
    assert courier.deliver(bare).status == 403
    courier.close()
    assert federation.results() == []


def test_who_carried_stands_in_the_audit(working, federation):
    working.go_around()
    events = federation.admin.audit_events.list(action="execution.grant")
    assert any("carried_by" in event.details for event in events)


def test_a_grant_that_expired_on_the_way_waits_for_another(working):
    file = working.work()

    def late():
        return system_clock() + timedelta(hours=25)

    with working.site.opened(clock=late) as site:
        site.take_in(file)
        site.agent().settle()
        job = site.jobs.get(1)
    assert job.state == "ready"
    assert "expired" in job.waiting_for


def test_a_result_whose_grant_expired_on_the_way_back_is_known_when_the_answer_comes(
    working, federation
):
    working.take_in(working.work())
    working.submit(working.results())
    file = working.work()

    def late():
        return system_clock() + timedelta(hours=25)

    with working.site.opened(clock=late) as site:
        site.take_in(file)
        site.agent().settle()
        assert (site.jobs.get(1).state, site.jobs.get(1).waiting_for) == ("reported", "")
    assert len(federation.results()) == 1


def test_a_request_to_enroll_waits_until_its_answer_is_brought(hospital):
    hospital.ask_to_enroll()
    with pytest.raises(errors.AwaitingCourierError):
        finish_enrolling(SiteFolder(hospital.folder))


def test_a_site_that_trusts_another_log_takes_nothing_in(hospital, federation, tmp_path):
    other = ServerThread(tmp_path / "other-server")
    try:
        elsewhere = Federation(tmp_path, other)
        key = elsewhere.admin.info().log_key
    finally:
        other.close()
    out = hospital.ask_to_enroll()
    hospital.submit(out)
    place = SiteFolder(hospital.folder)
    wanted = json.loads(place.enrolling.read_text())
    place.enrolling.write_text(json.dumps({**wanted, "log_key": key}))
    from medperf.site.enrollment import take_in_enrolling

    with pytest.raises(errors.SignatureError):
        take_in_enrolling(place, hospital.work())


def policies_in(bundle):
    envelopes = [Envelope.from_value(each["envelope"]) for each in bundle]
    said = [read_any_statement(each.content).predicate for each in envelopes]
    return [p.policy_version for p in said if isinstance(p, PolicyPredicate) and p.site_id]


def test_each_version_of_the_policy_is_logged_once_by_a_results_bundle(working, federation):
    working.take_in(working.work())
    working.site.let(ASK)
    working.site.let(NEEDED)
    working.go_around()
    [sent, *_] = working.submit(working.results())
    assert sent["request"].endswith("/policies")
    working.take_in(working.work())
    with working.site.opened() as site:
        site.agent().settle()
        assert not site.mailbox.outgoing()
    bundle = federation.committee.results.bundle(federation.the_result().id)
    assert sorted(policies_in(bundle.statements)) == [1, 2, 3, 4]


def sign_agreement(federation, hospital, days=1):
    """The vendor and the hospital sign; their people have a network."""
    form = AgreementForm(
        kind="data_use",
        title="Data use",
        document_digest="sha256:" + "d" * 64,
        document_size_bytes=18,
        party_ids=(federation.vendor.organization_id, hospital.organization_id),
        starts_at=system_clock() - timedelta(minutes=1),
        ends_at=system_clock() + timedelta(days=days),
    )
    agreement = federation.vendor.agreements.register(form)
    federation.vendor.agreements.act(agreement.id, "sign")
    federation.colleague(hospital.organization_id).agreements.act(agreement.id, "sign")
    return agreement


def reasons(hospital):
    with hospital.site.opened() as site:
        return [job.waiting_for or "" for job in site.jobs.in_states("queued")]


def test_an_agreement_comes_with_the_bundle_and_lets_work_begin(working, federation):
    working.site.let(NEEDED)
    working.take_in(working.work())
    assert working.states() == ["queued"]
    assert "agreement with this site's organization" in reasons(working)[0]
    sign_agreement(federation, working)
    working.take_in(working.work())
    assert working.states() == ["releasing"]
    with working.site.opened() as site:
        [known] = site.agreements.all()
        assert known.title == "Data use"


def test_an_agreement_that_ended_stops_work_by_the_site_s_own_clock(working, federation):
    sign_agreement(federation, working)
    working.take_in(working.work())
    working.site.let(NEEDED)
    federation.add_model("Model B")
    bundle = working.work()
    later = system_clock() + timedelta(days=2)
    with working.site.opened(clock=lambda: later) as site:
        site.take_in(bundle)
        site.agent().settle()
    assert "agreement" in reasons(working)[0]


def test_an_agreement_that_was_ended_early_stops_work_with_the_next_bundle(working, federation):
    working.site.let(NEEDED)
    agreement = sign_agreement(federation, working)
    working.take_in(working.work())
    assert working.states() == ["releasing"]
    federation.vendor.agreements.act(agreement.id, "terminate", "over")
    federation.add_model("Model B")
    working.take_in(working.work())
    assert working.states() == ["releasing", "queued"]
    assert "agreement" in reasons(working)[0]


def test_an_agreement_that_a_courier_changed_is_not_believed(working, federation):
    working.site.let(NEEDED)
    sign_agreement(federation, working)
    file = working.work()
    with ZipFile(file) as archive:
        names = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(names["manifest.json"])
    for each in manifest["answers"]:
        if "/agreements" in each["target"]:
            body = base64.b64decode(each["body"]).replace(b"Data use", b"Data abu")
            each["body"] = base64.b64encode(body).decode()
    with ZipFile(file.with_suffix(".changed"), "w") as archive:
        for name, content in names.items():
            is_manifest = name == "manifest.json"
            archive.writestr(name, json.dumps(manifest) if is_manifest else content)
    with working.site.opened() as site, pytest.raises(errors.SignatureError):
        site.take_in(file.with_suffix(".changed"))
