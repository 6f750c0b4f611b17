import json
from datetime import UTC, datetime

import pytest

from medperf.domain.errors import InvalidRequestError, MalformedFileError
from medperf.provenance.canonical import digest_of
from medperf.provenance.keys import PrivateKey
from medperf.provenance.predicates import (
    PREDICATES,
    AgreementPredicate,
    Approval,
    DatasetPredicate,
    Decider,
    DecisionPredicate,
    GrantPredicate,
    KeyPredicate,
    PolicyPredicate,
    ReleasePredicate,
    ResultPredicate,
    SuccessionPredicate,
)
from medperf.provenance.statements import (
    STATEMENT_TYPE,
    make_statement,
    read_any_statement,
    read_statement,
)

AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
BLAKE3 = "blake3:" + "0" * 64
KEY = PrivateKey.from_seed(bytes(32)).public
NEXT_KEY = PrivateKey.from_seed(b"n" * 32).public


def digest(text):
    return digest_of(text.encode())


INPUTS = {
    "benchmark_id": 1,
    "benchmark_digest": digest("benchmark"),
    "dataset_id": 2,
    "dataset_fingerprint": BLAKE3,
    "model_id": 3,
    "model_image_digest": digest("model"),
    "evaluator_image_digest": digest("evaluator"),
    "analysis_plan_digest": digest("plan"),
}
APPROVAL = Approval(name="Anna", role="owner", at=AT)
DECIDER = Decider(name="Anna", role="person", at=AT, user_id=4)
EXAMPLES = {
    "dataset": DatasetPredicate(
        dataset_id=2,
        site_id=1,
        fingerprint=BLAKE3,
        preparator_image_digest=digest("preparator"),
        statistics_digest=digest("statistics"),
        prepared_at=AT,
    ),
    "grant": GrantPredicate(
        **INPUTS,
        grant_id=4,
        nonce="0" * 16,
        server="s",
        site_id=1,
        site_key_id=KEY.key_id,
        issued_at=AT,
        expires_at=AT,
    ),
    "result": ResultPredicate(
        **INPUTS,
        grant_digest=digest("grant"),
        grant_id=4,
        site_id=1,
        result={"a": 1},
        result_digest=digest("result"),
        runner="fake",
        approvals=(APPROVAL,),
    ),
    "decision": DecisionPredicate(
        decision="approved",
        noun="model",
        noun_id=3,
        digests={"model/image": digest("model")},
        organization="Hospital",
        decided_by=DECIDER,
    ),
    "agreement": AgreementPredicate(
        agreement_id=1,
        agreement_type="data_use",
        document_digest=digest("document"),
        title="Data use",
        document_size_bytes=1,
        parties=({"organization_id": 1, "name": "A"}, {"organization_id": 2, "name": "B"}),
        starts_at=AT,
        ends_at=AT,
        event="signed",
        organization_id=1,
        by=DECIDER,
    ),
    "policy": PolicyPredicate(
        policy_version=1, policy_digest=digest("policy"), approved_by=(APPROVAL,), in_force_at=AT
    ),
    "release": ReleasePredicate(
        grant_id=4,
        result_digest=digest("result"),
        result_statement_digest=digest("statement"),
        audience="public",
        detail="per_site",
        released_at=AT,
    ),
    "key": KeyPredicate(
        event="enrolled", public_key=KEY.to_text(), owner_type="site", owner="Hospital", at=AT
    ),
    "succession": SuccessionPredicate(
        log="example.org/log",
        former_key=KEY.to_text(),
        public_key=NEXT_KEY.to_text(),
        cause="rotated",
        at=AT,
    ),
}


def document(kind, **changes):
    example = EXAMPLES[kind]
    wire = json.loads(make_statement(example.subjects(), example))
    return json.dumps({**wire, **changes}).encode()


def test_there_is_an_example_of_every_kind():
    assert {predicate.kind for predicate in PREDICATES} == set(EXAMPLES)


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_statement_reads_back_as_what_was_said(kind):
    payload = make_statement(EXAMPLES[kind].subjects(), EXAMPLES[kind])
    statement = read_statement(payload, type(EXAMPLES[kind]))
    assert statement.predicate == EXAMPLES[kind]
    assert statement.subjects == EXAMPLES[kind].subjects()
    assert statement.digest == digest_of(payload)
    assert read_any_statement(payload) == statement


def test_a_statement_has_the_form_of_in_toto():
    wire = json.loads(document("dataset"))
    assert wire["_type"] == STATEMENT_TYPE == "https://in-toto.io/Statement/v1"
    assert wire["predicateType"] == "urn:medperf:dataset:v1"
    assert wire["subject"][0] == {"name": "dataset", "digest": {"blake3": "0" * 64}}
    assert wire["predicate"]["prepared_at"] == "2026-03-01T12:30:00.000000Z"


@pytest.mark.parametrize("kind", EXAMPLES)
def test_fields_that_are_not_known_yet_are_kept(kind):
    predicate = {**json.loads(document(kind))["predicate"], "later": [1]}
    statement = read_any_statement(document(kind, predicate=predicate))
    assert statement.predicate.model_dump()["later"] == [1]


def test_the_subjects_of_inputs_name_everything_that_is_given():
    optional = ("model_parameters", "model_additional_files")
    grant = EXAMPLES["grant"].model_copy(
        update={f"{name}_digest": digest(name) for name in optional}
    )
    assert set(grant.subjects()) - set(EXAMPLES["grant"].subjects()) == {
        "model/parameters",
        "model/additional_files",
    }


def test_differences_name_the_inputs_that_differ():
    changes = {"model_id": 9, "model_parameters_digest": digest("x"), "runner": "other"}
    changed = EXAMPLES["result"].model_copy(update=changes)
    assert EXAMPLES["grant"].differences(changed) == ["model_id", "model_parameters_digest"]


def test_a_statement_of_another_kind_is_refused():
    with pytest.raises(MalformedFileError, match=r"urn:medperf:grant:v1.*urn:medperf:result:v1"):
        read_statement(document("grant"), ResultPredicate)


def test_a_statement_of_an_unknown_kind_is_refused():
    with pytest.raises(MalformedFileError, match=r"urn:else:v1.*known: urn:medperf:agreement:v1"):
        read_any_statement(document("grant", predicateType="urn:else:v1"))


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"_type": "https://in-toto.io/Statement/v0.1"}, "_type"),
        ({"subject": []}, "subject"),
        ({"subject": [{"name": "a"}]}, "subject.0.digest"),
        ({"predicate": None}, "predicate"),
        ({"predicateType": 1}, "predicateType"),
    ],
)
def test_refuses_what_is_not_a_statement(changes, place):
    with pytest.raises(MalformedFileError, match=f"not an in-toto statement: {place}"):
        read_any_statement(document("grant", **changes))


def test_refuses_what_is_not_an_object():
    with pytest.raises(MalformedFileError, match="the document"):
        read_any_statement(b"[]")


def test_refuses_two_subjects_of_one_name():
    subject = {"name": "a", "digest": {"sha256": "0" * 64}}
    with pytest.raises(MalformedFileError, match="two subjects"):
        read_any_statement(document("grant", subject=[subject, subject]))


def test_refuses_a_subject_without_a_digest_that_it_knows():
    subject = {"name": "a", "digest": {"md5": "0" * 32}}
    with pytest.raises(MalformedFileError, match="'a' has neither"):
        read_any_statement(document("grant", subject=[subject]))


def test_names_the_field_of_the_predicate_that_is_wrong():
    predicate = {**json.loads(document("grant"))["predicate"], "nonce": "short"}
    with pytest.raises(MalformedFileError, match="not a grant statement: nonce"):
        read_any_statement(document("grant", predicate=predicate))


def test_refuses_a_key_that_is_not_one():
    predicate = {**json.loads(document("key"))["predicate"], "public_key": "ed25519:x"}
    with pytest.raises(MalformedFileError, match="not a key statement: public_key"):
        read_any_statement(document("key", predicate=predicate))


def test_writes_no_statement_about_nothing():
    with pytest.raises(InvalidRequestError, match="at least one subject"):
        make_statement({}, EXAMPLES["grant"])


def test_writes_no_statement_about_what_has_no_digest():
    with pytest.raises(InvalidRequestError, match=r"'image'.*'latest'"):
        make_statement({"image": "latest"}, EXAMPLES["grant"])
