"""Which stories a verification believes, and which step says why not."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest

from medperf.domain.errors import MalformedFileError
from medperf.provenance.bundle import Bundle
from medperf.provenance.canonical import canonical_bytes
from medperf.provenance.envelope import sign
from medperf.provenance.keys import PrivateKey
from medperf.provenance.notes import NoteKey
from medperf.provenance.predicates import Decider
from medperf.provenance.verdict import STEPS
from medperf.provenance.verify import verify_bundle

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STRANGER = PrivateKey.from_seed(bytes([99]) * 32)
OTHER = "sha256:" + "9" * 64


def steps(findings):
    return sorted({finding.step for finding in findings})


def test_the_usual_course_of_things_is_verified(story):
    story.all()
    verdict = story.federation.verdict()
    assert verdict.is_verified
    assert (verdict.failed, verdict.missing) == ([], [])
    of_results = [step for step in STEPS if step <= 10]
    assert steps(verdict.checked) == of_results


def test_a_verified_result_tells_what_it_rests_on(story):
    story.all()
    (result,) = story.federation.verdict().results
    assert result.is_verified
    assert result.signed_by == ("the site",)
    assert result.log_index == 7
    assert result.statement.subjects["dataset"] == "blake3:" + "ab" * 32
    assert result.statement.predicate.result["metrics"] == [{"name": "auc", "value": 0.875}]
    assert [approval.name for approval in result.approvals] == [
        "benchmark approver",
        "model approver",
        "dataset approver",
        "Dr. Checker",
    ]


def test_the_order_of_statements_in_the_bundle_does_not_matter(story):
    story.all()
    bundle = story.federation.bundle()
    backwards = bundle.model_copy(update={"statements": bundle.statements[::-1]})
    assert verify_bundle(backwards, story.federation.log_key).is_verified


def test_statements_that_no_result_needs_do_no_harm(story):
    story.all()
    story.federation.enroll(story.federation.person, "person", 5)
    story.policy(site_id=9)
    assert story.federation.verdict().is_verified


# Step 1


def test_step_1_refuses_a_checkpoint_that_the_trusted_key_did_not_sign(story):
    story.all()
    trusted = NoteKey(story.federation.log_key.name, STRANGER.public)
    verdict = verify_bundle(story.federation.bundle(), trusted)
    assert steps(verdict.failed) == [1]
    assert verdict.results == []
    assert not verdict.is_verified


# Step 2


def test_step_2_misses_a_statement_without_its_place_in_the_log(story):
    envelope = story.all()
    story.federation.logged[-1] = (envelope, None)
    verdict = story.federation.verdict()
    assert steps(verdict.missing) == [2, 5]
    assert not verdict.is_verified


def test_step_2_refuses_a_statement_that_is_not_in_the_log(story):
    envelope = story.all()
    _, entry = story.federation.logged[-1]
    other = entry.model_copy(update={"logged_at": NOON + timedelta(days=9)})
    story.federation.logged[-1] = (envelope, other)
    assert steps(story.federation.verdict().failed) == [2]


def test_step_2_refuses_a_leaf_that_is_not_a_log_entry(story):
    story.all()
    document = story.federation.bundle().model_dump(mode="json")
    document["statements"][0]["log"]["leaf"] = "{}"
    verdict = verify_bundle(Bundle.model_validate(document), story.federation.log_key)
    assert 2 in steps(verdict.failed)


def test_step_2_refuses_a_leaf_of_another_envelope(story):
    story.all()
    envelope, _ = story.federation.logged[0]
    story.federation.logged[-1] = (envelope, story.federation.logged[-1][1])
    (failed,) = story.federation.verdict().failed
    assert (failed.step, "another envelope" in failed.detail) == (2, True)


def test_step_2_refuses_a_leaf_of_another_kind(story):
    story.keys()
    story.federation.record(story.dataset_predicate(), story.federation.site, kind="grant")
    (failed,) = story.federation.verdict().failed
    assert (failed.step, failed.detail) == (2, "its leaf says it is a grant, not a dataset")


def test_step_2_refuses_what_is_not_a_known_statement(story):
    story.all()
    story.federation.append(sign(b"{}", story.federation.site), "result")
    (failed,) = story.federation.verdict().failed
    assert (failed.step, failed.about) == (2, "statement 8")


# Step 3


def test_step_3_refuses_a_key_that_the_log_did_not_enroll(story):
    story.federation.log, log = story.federation.server, story.federation.log
    story.federation.enroll(story.federation.site, "site", 9)
    story.federation.log = log
    story.dataset()
    verdict = story.federation.verdict()
    assert steps(verdict.failed) == [3, 4]


def test_step_3_lets_the_log_key_speak_for_the_server(story):
    story.federation.server = story.federation.log
    story.federation.enroll(story.federation.site, "site", 9)
    story.dataset()
    story.approvals()
    story.result(story.grant())
    assert story.federation.verdict().is_verified


# Step 4


def test_step_4_believes_what_was_logged_before_a_revocation(story):
    story.all()
    story.federation.revoke(story.federation.site, "site", 9)
    assert story.federation.verdict().is_verified


def test_step_4_refuses_what_was_logged_after_a_revocation(story):
    story.keys()
    story.dataset()
    story.approvals()
    grant = story.grant()
    story.federation.revoke(story.federation.site, "site", 9)
    story.result(grant)
    verdict = story.federation.verdict()
    (failed,) = verdict.failed
    assert failed.step == 4
    assert f"not valid at leaf 8: {story.federation.site.key_id}" in failed.detail
    assert verdict.results == []


def test_step_4_refuses_what_was_logged_before_the_enrollment(story):
    story.dataset()
    story.keys()
    (failed,) = story.federation.verdict().failed
    assert (failed.step, failed.about) == (4, "dataset statement 0")


def test_step_4_refuses_a_revoked_key_for_ever(story):
    story.keys()
    story.federation.revoke(story.federation.site, "site", 9)
    story.federation.enroll(story.federation.site, "site", 9)
    story.dataset()
    assert steps(story.federation.verdict().failed) == [4]


def test_step_4_refuses_a_stranger(story):
    story.keys()
    story.federation.site = STRANGER
    story.dataset()
    (failed,) = story.federation.verdict().failed
    assert failed.step == 4
    assert STRANGER.key_id in failed.detail


def test_step_4_refuses_a_site_that_speaks_for_another(story):
    story.keys()
    story.dataset(site_id=8)
    assert steps(story.federation.verdict().failed) == [4]


def test_step_4_refuses_a_site_that_grants_to_itself(story):
    story.keys()
    story.federation.server = story.federation.site
    story.grant()
    assert steps(story.federation.verdict().failed) == [4]


def test_step_4_refuses_a_result_that_the_server_signed(story):
    story.keys()
    story.dataset()
    story.approvals()
    grant = story.grant()
    story.federation.site = story.federation.server
    story.result(grant)
    assert steps(story.federation.verdict().failed) == [4]


def test_step_4_refuses_a_policy_of_a_site_that_the_server_signed(story):
    story.keys()
    story.federation.site = story.federation.server
    story.policy(site_id=9)
    assert steps(story.federation.verdict().failed) == [4]


def test_step_4_believes_the_server_about_its_own_policy(story):
    story.all()
    story.federation.site = story.federation.server
    story.policy(site_id=None)
    assert story.federation.verdict().is_verified


# Step 5


def test_step_5_refuses_a_result_that_does_not_have_its_digest(story):
    story.keys()
    story.result(story.grant(), result={"metrics": [{"name": "auc", "value": 0.99}]})
    verdict = story.federation.verdict()
    assert steps(verdict.failed) == [5]
    assert verdict.results == []


def test_step_5_refuses_subjects_that_are_not_those_of_the_predicate(story):
    story.keys()
    story.federation.record(
        story.dataset_predicate(), story.federation.site, subjects={"dataset": OTHER}
    )
    assert steps(story.federation.verdict().failed) == [5]


def test_step_5_misses_a_result(story):
    story.keys()
    (missing,) = story.federation.verdict().missing
    assert (missing.step, missing.about) == (5, "bundle")


# Step 6


@pytest.mark.parametrize(
    "name",
    [
        "benchmark_digest",
        "dataset_fingerprint",
        "model_image_digest",
        "model_parameters_digest",
        "model_additional_files_digest",
        "evaluator_image_digest",
        "evaluator_parameters_digest",
        "evaluator_additional_files_digest",
        "analysis_plan_digest",
    ],
)
def test_step_6_refuses_every_input_that_is_not_the_granted_one(story, name):
    story.keys()
    story.dataset()
    story.approvals()
    story.result(story.grant(), **{name: OTHER})
    failed = story.federation.verdict().failed
    assert [f.detail.split()[0] for f in failed if f.step == 6] == [name]


def test_step_6_misses_a_grant_that_is_not_here(story):
    story.all()
    assert steps(story.federation.verdict(without=6).missing) == [6]


def test_step_6_refuses_a_grant_that_was_logged_after_its_result(story):
    story.keys()
    story.dataset()
    story.approvals()
    story.result(story.unlogged_grant())
    story.grant()
    (failed,) = story.federation.verdict().failed
    assert (failed.step, failed.detail) == (6, "its grant was logged after it, as leaf 7")


# Step 7


def test_step_7_refuses_two_results_for_one_grant(story):
    story.keys()
    story.dataset()
    story.approvals()
    grant = story.grant()
    story.result(grant)
    story.result(grant, runner="docker")
    verdict = story.federation.verdict()
    assert steps(verdict.failed) == [7]
    assert [result.is_verified for result in verdict.results] == [False, False]


def test_each_result_is_judged_alone(story):
    story.all()
    story.result(story.grant(grant_id=8), grant_id=8, approvals=())
    verdict = story.federation.verdict()
    assert [result.is_verified for result in verdict.results] == [True, False]
    assert not verdict.is_verified


# Step 8


@pytest.mark.parametrize("change", [{}, {"dataset_id": 5}, {"fingerprint": OTHER}])
def test_step_8_misses_the_registration_of_the_dataset(story, change):
    story.keys()
    if change:
        story.dataset(**change)
    story.approvals()
    story.result(story.grant())
    assert steps(story.federation.verdict().missing) == [8]


def test_step_8_knows_a_dataset_by_content_and_site_before_it_has_a_number(story):
    story.keys()
    story.dataset(dataset_id=None)
    story.approvals()
    story.result(story.grant())
    assert 8 not in steps(story.federation.verdict().missing)


def test_step_8_refuses_a_dataset_that_was_registered_after_its_result(story):
    story.keys()
    story.approvals()
    story.result(story.grant())
    story.dataset()
    assert steps(story.federation.verdict().failed) == [8]


# Step 9


def test_step_9_misses_decisions_that_are_not_here(story):
    story.keys()
    story.dataset()
    story.result(story.grant())
    verdict = story.federation.verdict()
    assert [finding.step for finding in verdict.missing] == [9, 9, 9]


@pytest.mark.parametrize("noun", ["benchmark", "model", "dataset"])
def test_step_9_refuses_what_was_rejected(story, noun):
    story.keys()
    story.dataset()
    story.approvals(**{noun: {"decision": "rejected"}})
    story.result(story.grant())
    (failed,) = story.federation.verdict().failed
    assert (failed.step, f"{noun} " in failed.detail) == (9, True)


@pytest.mark.parametrize(
    ("noun", "digests"),
    [
        ("model", {"model/image": OTHER}),
        ("model", {"model/parameters": OTHER}),
        ("model", {"unrelated": OTHER}),
        ("model", {"model/image": OTHER, "model/additional_files": OTHER}),
        ("benchmark", {"benchmark": OTHER}),
        ("dataset", {"dataset": OTHER}),
    ],
)
def test_step_9_refuses_what_was_swapped_after_its_approval(story, noun, digests):
    story.keys()
    story.dataset()
    story.approvals(**{noun: {"digests": digests}})
    story.result(story.grant())
    (failed,) = story.federation.verdict().failed
    assert (failed.step, "other digests" in failed.detail) == (9, True)


@pytest.mark.parametrize("more", [{}, {"model/parameters": None, "model/additional_files": OTHER}])
def test_step_9_refuses_more_or_fewer_inputs_than_were_approved(story, more):
    story.keys()
    story.dataset()
    subjects = story.inputs.subjects()
    digests = {name: digest or subjects[name] for name, digest in more.items()}
    digests["model/image"] = subjects["model/image"]
    story.approvals(model={"digests": digests})
    story.result(story.grant())
    assert steps(story.federation.verdict().failed) == [9]


def test_step_9_asks_the_last_decision_before_the_result(story):
    story.keys()
    story.dataset()
    story.approvals()
    story.approvals(model={"decision": "withdrawn"})
    story.result(story.grant())
    (failed,) = story.federation.verdict().failed
    assert failed.detail == "model 3 was withdrawn then"


def test_step_9_does_not_mind_what_was_decided_later(story):
    story.all()
    story.approvals(model={"decision": "withdrawn"})
    assert story.federation.verdict().is_verified


def test_step_9_believes_a_person_with_an_enrolled_key(story):
    story.federation.enroll(story.federation.person, "person", 5)
    story.keys()
    story.dataset()
    server, story.federation.server = story.federation.server, story.federation.person
    by = Decider(
        name="Cara",
        role="person",
        at=NOON,
        user_id=5,
        key_id=story.federation.person.key_id,
        vouched_by="key",
    )
    story.approvals(**{noun: {"decided_by": by} for noun in ("benchmark", "model", "dataset")})
    story.federation.server = server
    story.result(story.grant())
    assert story.federation.verdict().is_verified


# Step 10


def test_step_10_misses_whoever_released_it(story):
    story.keys()
    story.dataset()
    story.approvals()
    story.result(story.grant(), approvals=())
    assert steps(story.federation.verdict().missing) == [10]


def test_step_10_believes_a_policy_that_released_it(story):
    story.keys()
    story.dataset()
    story.approvals()
    decisions = ({"action": "release", "decision": "go_ahead"},)
    story.result(story.grant(), approvals=(), policy_decisions=decisions)
    assert story.federation.verdict().is_verified


def test_step_10_takes_the_servers_release_for_nobodys_at_the_site(story):
    story.release(story.all())
    verdict = story.federation.verdict()
    assert verdict.is_verified
    assert verdict.checked[-1].detail == "released by Dr. Checker"


def test_step_10_refuses_a_release_of_other_numbers(story):
    story.release(story.all(), result_digest=OTHER)
    assert steps(story.federation.verdict().failed) == [10]


# Every step: nothing in a bundle can be changed


def scalars(document, path=()):
    if isinstance(document, dict | list):
        pairs = document.items() if isinstance(document, dict) else enumerate(document)
        for key, value in pairs:
            yield from scalars(value, (*path, key))
    else:
        yield path


def tampered(document, path):
    copy = deepcopy(document)
    *inner, last = path
    place = copy
    for key in inner:
        place = place[key]
    value = place[last]
    if isinstance(value, int):
        place[last] = value + 1
    else:
        middle = len(value) // 2
        place[last] = value[:middle] + ("A" if value[middle] != "A" else "B") + value[middle + 1 :]
    return copy


def test_no_part_of_a_bundle_can_be_changed(story):
    story.all()
    document = story.federation.bundle().model_dump(mode="json")
    believed = []
    for path in scalars(document):
        try:
            bundle = Bundle.from_bytes(canonical_bytes(tampered(document, path)))
        except MalformedFileError:
            continue
        if verify_bundle(bundle, story.federation.log_key).is_verified:
            believed.append(path)
    assert believed == []


def test_no_statement_of_a_bundle_can_be_left_out(story):
    story.all()
    for index in range(len(story.federation.logged)):
        assert not story.federation.verdict(without=index).is_verified
