"""Who may come in, and how the server knows them again."""

import hashlib

import pytest
from server_fixtures import Federation, PersonActor, SettableClock, SiteActor, proof
from starlette.testclient import TestClient

from medperf.client.transport import SiteCredential
from medperf.domain.errors import (
    ClockSkewError,
    ConflictError,
    DuplicateError,
    ForbiddenError,
    InvalidRequestError,
    InvitationError,
    NotFoundError,
    SignatureError,
    TransitionError,
    UnauthenticatedError,
)
from medperf.domain.people import (
    Enrollment,
    InvitationForm,
    KeyRotation,
    OrganizationForm,
    Redemption,
)
from medperf.provenance.keys import PrivateKey
from medperf.provenance.request_signing import sign_request
from medperf.server.db.session import Database


def _invite(federation: Federation, **more) -> str:
    values = {
        "kind": "user",
        "organization_id": federation.hospital.id,
        "name": "Hugo",
        "email": "Hugo@Hospital.example",
    }
    form = InvitationForm(**{**values, **more})
    return federation.admin.client.invitations.issue(form).token


# --- invitations ---


def test_an_invitation_lets_in_once(federation: Federation) -> None:
    token = _invite(federation)
    hugo = federation.redeem(token)
    assert hugo.client.me().organization == federation.hospital
    with pytest.raises(InvitationError, match="redeemed"):
        federation.redeem(token)


def test_an_invitation_expires(federation: Federation, clock: SettableClock) -> None:
    token = _invite(federation, valid_days=1)
    clock.advance(days=1, seconds=1)
    with pytest.raises(InvitationError, match="expired"):
        federation.redeem(token)


def test_a_revoked_invitation_lets_nobody_in(federation: Federation) -> None:
    token = _invite(federation)
    client = federation.admin.client.invitations
    [invitation] = client.list(state="open")
    assert client.act(invitation.id, "revoke").state == "revoked"
    with pytest.raises(InvitationError, match="revoked"):
        federation.redeem(token)
    with pytest.raises(TransitionError):
        client.act(invitation.id, "revoke")


def test_an_unknown_token_lets_nobody_in(federation: Federation) -> None:
    with pytest.raises(InvitationError):
        federation.redeem("guess")


def test_a_persons_invitation_does_not_enroll_a_site(federation: Federation) -> None:
    with pytest.raises(InvitationError):
        federation.enroll(_invite(federation), "South")
    with pytest.raises(InvitationError):
        federation.redeem(federation.site_token(federation.hospital, "South"))


@pytest.mark.parametrize("who", ["cara", "vera", "hana", "north"])
def test_only_an_admin_invites(federation: Federation, who: str) -> None:
    client = getattr(federation, who).client
    form = InvitationForm(kind="site", organization_id=federation.hospital.id, name="South")
    with pytest.raises(ForbiddenError):
        client.invitations.issue(form)
    with pytest.raises(ForbiddenError):
        client.organizations.register(OrganizationForm(name="More"))


def test_a_user_needs_an_email_and_a_site_has_none(federation: Federation) -> None:
    with pytest.raises(InvalidRequestError):
        _invite(federation, email=None)
    with pytest.raises(InvalidRequestError):
        _invite(federation, kind="site")
    with pytest.raises(InvalidRequestError):
        _invite(federation, kind="site", email=None, is_admin=True)


def test_a_second_invitation_gives_the_same_person_another_access(federation: Federation) -> None:
    first = federation.redeem(_invite(federation))
    second = federation.redeem(_invite(federation, email="hugo@hospital.example"))
    assert first.user.id == second.user.id
    assert first.secret != second.secret


def test_an_email_does_not_change_its_organization(federation: Federation) -> None:
    federation.redeem(_invite(federation))
    token = _invite(federation, organization_id=federation.vendor.id)
    with pytest.raises(InvitationError):
        federation.redeem(token)


def test_an_invitation_is_for_an_organization_that_exists(federation: Federation) -> None:
    with pytest.raises(NotFoundError):
        _invite(federation, organization_id=999)


def test_no_secret_and_no_token_stands_in_the_database(
    federation: Federation, database: Database
) -> None:
    token = _invite(federation)
    hugo = federation.redeem(token)
    with database.reading() as connection:
        for table in ("invitations", "access_tokens", "idempotency_keys", "audit_events"):
            text = str(connection.exec_driver_sql(f"SELECT * FROM {table}").all())
            assert token not in text
            assert hugo.secret not in text


# --- people ---


def _forget(person: PersonActor) -> None:
    [access] = person.client.access_tokens.list()
    person.client.access_tokens.act(access.id, "revoke")


def test_a_revoked_access_is_worth_nothing(federation: Federation) -> None:
    _forget(federation.vera)
    with pytest.raises(UnauthenticatedError):
        federation.vera.client.me()


def test_an_access_expires(federation: Federation, clock: SettableClock) -> None:
    clock.advance(days=91)
    with pytest.raises(UnauthenticatedError):
        federation.vera.client.me()


def test_somebody_elses_access_cannot_be_seen_or_revoked(federation: Federation) -> None:
    [access] = federation.vera.client.access_tokens.list()
    with pytest.raises(NotFoundError):
        federation.hana.client.access_tokens.act(access.id, "revoke")
    assert federation.admin.client.access_tokens.act(access.id, "revoke").revoked_at is not None


@pytest.mark.parametrize(
    "header", ["Bearer ", "Bearer guess", "Basic abc", "", "MedPerf-Signature x"]
)
def test_anything_else_is_nobody(http: TestClient, header: str) -> None:
    answer = http.get("/api/v1/me", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert "Bearer" in answer.headers["WWW-Authenticate"]


# --- sites ---


def _signed(
    http: TestClient, site: SiteActor, target: str, *, body: bytes = b"", sent: bytes | None = None,
    at=None, method: str = "GET", to: str | None = None,
):  # fmt: skip
    header = sign_request(site.key, method, target, hashlib.sha256(body).hexdigest(), at)
    return http.request(
        method,
        to or target,
        content=body if sent is None else sent,
        headers={"Authorization": header, "Content-Type": "application/json"},
    )


def test_a_site_is_known_by_its_signature(federation: Federation) -> None:
    me = federation.north.client.me()
    assert me.site == federation.north.client.sites.get(federation.north.record.id)
    assert me.user is None


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_clock_that_is_off_is_told_so(
    federation: Federation, http: TestClient, clock: SettableClock, minutes: int
) -> None:
    slow = SettableClock(clock.now)
    slow.advance(minutes=minutes)
    client = federation.client(SiteCredential(federation.north.key, slow))
    with pytest.raises(ClockSkewError) as caught:
        client.me()
    assert clock.now.strftime("%H:%M") in caught.value.detail


def test_a_signature_is_over_target_and_body(
    federation: Federation, http: TestClient, clock: SettableClock
) -> None:
    site, now = federation.north, clock.now
    assert _signed(http, site, "/api/v1/sites?limit=1", at=now).status_code == 200
    other = _signed(http, site, "/api/v1/sites?limit=1", at=now, to="/api/v1/sites?limit=2")
    assert (other.status_code, other.json()["code"]) == (422, "signature")
    body = b'{"reason": ""}'
    changed = _signed(
        http, site, "/api/v1/executions/1/start", at=now, body=body, sent=b'{"reason":"x"}',
        method="POST",
    )  # fmt: skip
    assert changed.json()["code"] == "signature"


def test_an_unknown_key_is_nobody(federation: Federation, clock: SettableClock) -> None:
    stranger = federation.client(SiteCredential(PrivateKey.generate(), clock))
    with pytest.raises(UnauthenticatedError):
        stranger.me()


@pytest.mark.parametrize("who", ["hana", "admin"])
def test_a_revoked_key_is_refused_at_once(federation: Federation, who: str) -> None:
    client = getattr(federation, who).client
    client.sites.revoke_key(federation.north.record.id, federation.north.key.key_id, "lost laptop")
    with pytest.raises(UnauthenticatedError):
        federation.north.client.me()
    [key] = client.sites.get(federation.north.record.id).keys
    assert key.revoked_at is not None


def test_a_revoked_key_signs_no_result(federation: Federation, clock: SettableClock) -> None:
    answer = federation.grant()
    form = federation.result_form(federation.north, answer)
    new = PrivateKey.generate()
    _rotate(federation, new)
    rotated = federation.client(SiteCredential(new, clock))
    with pytest.raises(SignatureError):
        rotated.results.submit(form)


@pytest.mark.parametrize("who", ["cara", "vera", "north"])
def test_others_cannot_revoke_a_key(federation: Federation, who: str) -> None:
    with pytest.raises(ForbiddenError):
        getattr(federation, who).client.sites.revoke_key(
            federation.north.record.id, federation.north.key.key_id
        )


def test_a_key_that_the_site_never_had_is_not_found(federation: Federation) -> None:
    with pytest.raises(NotFoundError):
        federation.hana.client.sites.revoke_key(federation.north.record.id, "sha256:" + "0" * 64)


def _rotate(federation: Federation, new: PrivateKey, signer: PrivateKey | None = None) -> None:
    statement = f"medperf-rotate:{federation.north.record.id}"
    federation.north.client.sites.rotate_key(
        KeyRotation(public_key=new.public.to_text(), proof=proof(signer or new, statement))
    )


def test_a_site_changes_its_key(federation: Federation, clock: SettableClock) -> None:
    new = PrivateKey.generate()
    _rotate(federation, new)
    with pytest.raises(UnauthenticatedError):
        federation.north.client.me()
    site = federation.client(SiteCredential(new, clock)).me().site
    assert [key.revoked_at is None for key in site.keys] == [False, True]


def test_a_new_key_must_be_proven(federation: Federation) -> None:
    with pytest.raises(SignatureError):
        _rotate(federation, PrivateKey.generate(), signer=federation.north.key)


def test_a_person_has_no_key_to_rotate(federation: Federation) -> None:
    key = PrivateKey.generate()
    with pytest.raises(ForbiddenError):
        federation.hana.client.sites.rotate_key(
            KeyRotation(public_key=key.public.to_text(), proof=proof(key, "medperf-rotate:1"))
        )


def test_an_enrollment_must_prove_its_key(federation: Federation) -> None:
    token = federation.site_token(federation.hospital, "South")
    form = Enrollment(
        token=token,
        name="South",
        public_key=PrivateKey.generate().public.to_text(),
        proof=proof(PrivateKey.generate(), f"medperf-enroll:{token}"),
    )
    with pytest.raises(SignatureError):
        federation.anybody.sites.enroll(form)
    with pytest.raises(InvalidRequestError, match="base64"):
        federation.anybody.sites.enroll(form.model_copy(update={"proof": "?"}))
    assert federation.enroll(token, "South").record.name == "South"


def test_a_key_serves_one_site(federation: Federation) -> None:
    token = federation.site_token(federation.hospital, "South")
    with pytest.raises(DuplicateError):
        federation.enroll(token, "South", federation.north.key)


def test_two_sites_of_an_organization_have_two_names(federation: Federation) -> None:
    token = federation.site_token(federation.hospital, "North")
    with pytest.raises(DuplicateError):
        federation.enroll(token, "North")


def test_redeeming_again_with_the_same_key_says_what_to_do(
    federation: Federation, http: TestClient
) -> None:
    token = _invite(federation)
    for status in (200, 409):
        answer = http.post(
            "/api/v1/invitations/redeem",
            json=Redemption(token=token).model_dump(),
            headers={"Idempotency-Key": "once"},
        )
        assert answer.status_code == status
    assert answer.json()["code"] == ConflictError.code
