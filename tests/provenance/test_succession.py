"""A log whose key changed: which keys a trusted one leads to, and which it does not."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medperf.domain.errors import LogKeyRevokedError, MedPerfError, ProofError, SignatureError
from medperf.provenance.bundle import Bundle
from medperf.provenance.checkpoint import Checkpoint, sign_checkpoint
from medperf.provenance.envelope import sign
from medperf.provenance.keys import PrivateKey
from medperf.provenance.notes import NoteKey
from medperf.provenance.predicates import SuccessionPredicate
from medperf.provenance.statements import make_statement
from medperf.provenance.succession import LogKeys, follow, sign_succession
from medperf.provenance.verify import verify_bundle

ORIGIN = "medperf.example.org/log"
FIRST, SECOND, THIRD, THIEF = (PrivateKey.from_seed(bytes([n]) * 32) for n in (1, 21, 22, 66))


def key_of(signer):
    return NoteKey(ORIGIN, signer.public)


def succeed(federation, former, following, cause="rotated", **changes):
    """The log's key is followed by another, as the server would do it."""
    said = SuccessionPredicate(
        log=ORIGIN,
        former_key=former.public.to_text(),
        public_key=following.public.to_text(),
        cause=cause,
        at=datetime(2026, 3, 1, tzinfo=UTC),
        reason="yearly",
    ).model_copy(update=changes)
    federation.append(
        sign_succession(said, following, former if cause == "rotated" else None), "succession"
    )
    federation.log = following


@pytest.fixture
def rotated(story):
    """A result from before, a rotation, and one enrollment after it."""
    story.all()
    succeed(story.federation, FIRST, SECOND)
    story.federation.enroll(PrivateKey.from_seed(b"9" * 32), "site", 8)
    return story.federation


def steps(verdict):
    return {finding.step for finding in verdict.failed}


@pytest.mark.parametrize("trusted", [FIRST, SECOND])
def test_both_keys_prove_what_came_before_and_after_a_rotation(rotated, trusted):
    verdict = verify_bundle(rotated.bundle(), key_of(trusted))
    assert verdict.is_verified, verdict.failed
    assert any("rotated" in finding.detail for finding in verdict.checked)


@pytest.mark.parametrize("trusted", [FIRST, SECOND, THIRD])
def test_a_chain_of_rotations_is_followed_from_any_of_its_keys(rotated, trusted):
    succeed(rotated, SECOND, THIRD)
    keys, checkpoint = follow(rotated.bundle(), key_of(trusted))
    assert keys.current == key_of(THIRD)
    assert checkpoint.size == rotated.tree.size
    assert verify_bundle(rotated.bundle(), key_of(trusted)).is_verified


def test_a_stranger_is_led_nowhere(rotated):
    with pytest.raises(SignatureError, match="none of the keys"):
        follow(rotated.bundle(), key_of(THIEF))


def test_the_old_key_signs_no_checkpoint_after_its_succession(rotated):
    rotated.log = FIRST
    for trusted in (FIRST, SECOND):
        assert steps(verify_bundle(rotated.bundle(), key_of(trusted))) == {1}


def test_the_next_key_does_not_make_the_old_one_s_checkpoint_its_own(story):
    story.all()
    assert 1 in steps(verify_bundle(story.federation.bundle(), key_of(SECOND)))


def test_a_statement_that_the_old_key_signed_too_late_is_refused(rotated):
    late = rotated.logged[0][0]
    rotated.append(sign(late.content, FIRST), "key")  # an enrollment, by the old key's thief
    assert steps(verify_bundle(rotated.bundle(), key_of(SECOND))) == {3}


def test_what_the_server_signs_with_a_former_key_is_refused_at_later_leaves(story):
    federation = story.federation
    federation.server = federation.log  # one key for all, as the server has it
    story.all()
    succeed(federation, FIRST, SECOND)
    assert verify_bundle(federation.bundle(), key_of(FIRST)).is_verified
    story.grant(grant_id=8)
    verdict = verify_bundle(federation.bundle(), key_of(SECOND))
    assert [(each.step, "not valid at leaf" in each.detail) for each in verdict.failed] == [
        (4, True)
    ]


def test_a_succession_that_the_old_key_did_not_sign_is_forged(story):
    story.all()
    federation = story.federation
    said = SuccessionPredicate(
        log=ORIGIN,
        former_key=FIRST.public.to_text(),
        public_key=THIEF.public.to_text(),
        cause="rotated",
        at=datetime(2026, 3, 1, tzinfo=UTC),
    )
    federation.append(sign(make_statement(said.subjects(), said), THIEF), "succession")
    federation.log = THIEF
    for trusted in (FIRST, THIEF):
        verdict = verify_bundle(federation.bundle(), key_of(trusted))
        assert not verdict.is_verified
        assert 1 in steps(verdict)
        assert not verdict.results


def test_a_succession_that_the_next_key_did_not_sign_proves_no_possession(story):
    succeed(story.federation, FIRST, SECOND)
    envelope, entry = story.federation.logged[-1]
    alone = envelope.model_copy(update={"signatures": envelope.signatures[:1]})
    story.federation.logged[-1] = alone, entry
    with pytest.raises(SignatureError, match="must be"):
        follow(story.federation.bundle(), key_of(FIRST))


def test_a_revoked_key_leads_nowhere_and_says_so(story):
    story.all()
    succeed(story.federation, FIRST, SECOND, "revoked")
    with pytest.raises(LogKeyRevokedError, match="yearly"):
        follow(story.federation.bundle(), key_of(FIRST))
    verdict = verify_bundle(story.federation.bundle(), key_of(FIRST))
    assert not verdict.results
    # Who was told the next key by a person proves with it what the old one signed in time.
    assert verify_bundle(story.federation.bundle(), key_of(SECOND)).is_verified


def test_a_chain_with_a_gap_or_a_return_is_none(rotated):
    succeed(rotated, THIRD, THIEF)
    with pytest.raises(SignatureError, match="does not follow"):
        follow(rotated.bundle(), key_of(FIRST))


def test_a_former_key_never_comes_back(rotated):
    succeed(rotated, SECOND, FIRST)
    with pytest.raises(SignatureError, match="comes back"):
        follow(rotated.bundle(), key_of(FIRST))


def test_a_succession_of_another_log_is_not_this_one_s(story):
    succeed(story.federation, FIRST, SECOND, log="other.example.org/log")
    with pytest.raises(SignatureError, match=r"other\.example"):
        follow(story.federation.bundle(), key_of(FIRST))


def test_a_succession_is_proven_at_the_place_where_the_chain_needs_it(rotated):
    bundle = rotated.bundle()
    moved = [
        each.model_copy(update={"log": each.log.model_copy(update={"index": each.log.index - 1})})
        if '"succession"' in each.log.leaf
        else each
        for each in bundle.statements
    ]
    with pytest.raises(ProofError):
        follow(bundle.model_copy(update={"statements": tuple(moved)}), key_of(SECOND))


def test_a_succession_left_out_proves_less_and_never_more(rotated):
    bundle = rotated.bundle()
    kept = tuple(each for each in bundle.statements if '"succession"' not in each.log.leaf)
    without = bundle.model_copy(update={"statements": kept})
    assert 1 in steps(verify_bundle(without, key_of(FIRST)))
    assert 3 in steps(verify_bundle(without, key_of(SECOND)))


def test_a_succession_whose_leaf_hides_its_kind_is_no_link(rotated):
    bundle = rotated.bundle()
    hidden = [
        each.model_copy(
            update={
                "log": each.log.model_copy(
                    update={"leaf": each.log.leaf.replace('"succession"', '"policy"')}
                )
            }
        )
        for each in bundle.statements
    ]
    verdict = verify_bundle(
        Bundle(checkpoint=bundle.checkpoint, statements=tuple(hidden)), key_of(SECOND)
    )
    assert 2 in steps(verdict)


@given(st.lists(st.integers(0, 40), unique=True, max_size=5), st.integers(0, 50))
def test_each_leaf_and_each_size_has_exactly_one_key(leaves, number):
    signers = [PrivateKey.from_seed(bytes([100 + n]) * 32).public for n in range(len(leaves) + 1)]
    links = list(zip(sorted(leaves), signers[1:], strict=True))
    keys = LogKeys.of(ORIGIN, signers[0], links)
    # What is logged as a leaf is signed by the key whose successions all came before it; the
    # checkpoint of so many leaves is one leaf further on.
    assert keys.at_leaf(number) == signers[sum(leaf < number for leaf in leaves)]
    assert keys.for_size(number).public == signers[sum(leaf < number for leaf in leaves)]
    valid = [s.public for s in keys.history().values() if s.was_valid_at(number)]
    assert valid == ([] if number in leaves else [keys.at_leaf(number)])


def test_a_checkpoint_is_read_with_the_key_of_its_size():
    keys = LogKeys.of(ORIGIN, FIRST.public, [(4, SECOND.public)])
    for size, signer in ((4, FIRST), (5, SECOND)):
        note = sign_checkpoint(Checkpoint(ORIGIN, size, bytes(32)), signer)
        assert keys.read(note).size == size
    with pytest.raises(MedPerfError):
        keys.read(sign_checkpoint(Checkpoint(ORIGIN, 5, bytes(32)), FIRST))
    with pytest.raises(MedPerfError):
        keys.read(sign_checkpoint(Checkpoint(ORIGIN, 4, bytes(32)), SECOND))


def test_a_key_of_another_log_is_refused():
    key_of(FIRST).require_same_log(key_of(SECOND).to_text())
    with pytest.raises(MedPerfError, match="another log"):
        key_of(FIRST).require_same_log(replace(key_of(SECOND), name="other").to_text())


def test_a_log_knows_every_key_that_signed_it():
    keys = LogKeys.of(ORIGIN, FIRST.public, [(4, SECOND.public)])
    assert keys.knows(FIRST.public)
    assert keys.knows(SECOND.public)
    assert not keys.knows(THIEF.public)
