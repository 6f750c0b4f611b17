"""A grant is believed only as far as this site can check it by itself."""

from datetime import timedelta

import pytest
from hospital import EVALUATOR, MODEL, NOW, grant_verifier

from medperf.domain import errors
from medperf.provenance.checkpoint import log_key
from medperf.provenance.envelope import sign
from medperf.provenance.keys import PrivateKey
from medperf.provenance.predicates import ExecutionInputs, GrantPredicate
from medperf.provenance.statements import make_statement

DIGEST = "sha256:" + "a" * 64
SERVER = PrivateKey.from_seed(b"k" * 32)
LOG_KEY = log_key(SERVER.public)
INPUTS = ExecutionInputs(
    benchmark_id=1,
    benchmark_digest=DIGEST,
    dataset_id=3,
    dataset_fingerprint="blake3:" + "b" * 64,
    model_id=2,
    model_image_digest=MODEL.image_digest,
    evaluator_image_digest=EVALUATOR.image_digest,
    analysis_plan_digest=DIGEST,
)


def grant(signer=SERVER, **changes):
    said = GrantPredicate.model_validate(
        INPUTS.model_dump()
        | {
            "grant_id": 5,
            "nonce": "n" * 20,
            "server": "Test",
            "site_id": 4,
            "site_key_id": "key",
            "issued_at": NOW,
            "expires_at": NOW + timedelta(days=1),
        }
        | changes
    )
    return sign(make_statement(said.subjects(), said), signer)


@pytest.fixture
def verifier(tmp_path):
    return grant_verifier(tmp_path, SERVER, lambda: NOW)


def test_a_grant_for_what_this_site_found_is_believed(verifier):
    assert verifier.verify(grant(), INPUTS).predicate.grant_id == 5


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"signer": PrivateKey.from_seed(b"x" * 32)}, errors.SignatureError),
        ({"site_id": 9}, errors.GrantError),
        ({"site_key_id": "other"}, errors.GrantError),
        ({"expires_at": NOW}, errors.GrantError),
        ({"issued_at": NOW + timedelta(minutes=6)}, errors.ClockSkewError),
        ({"model_image_digest": DIGEST}, errors.DigestMismatchError),
        ({"dataset_fingerprint": "blake3:" + "c" * 64}, errors.DigestMismatchError),
        ({"analysis_plan_digest": "sha256:" + "d" * 64}, errors.DigestMismatchError),
    ],
)
def test_any_other_grant_is_refused(verifier, changes, error):
    with pytest.raises(error):
        verifier.verify(grant(**changes), INPUTS)


def test_clocks_may_differ_a_little(verifier):
    verifier.verify(grant(issued_at=NOW + timedelta(minutes=4)), INPUTS)
