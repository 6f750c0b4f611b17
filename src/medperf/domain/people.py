"""Who takes part: organizations, the people in them, their sites, and how they come in."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from medperf.domain.identifiers import Id, Name, UtcTime
from medperf.domain.wire import Form, Record

EMAIL_PATTERN = r"^[^@\s]{1,64}@[^@\s]{1,255}$"


class OrganizationForm(Form):
    """A legal body to register."""

    name: Name


class Organization(Record):
    """A legal body: hospital, company, university."""

    id: Id
    name: Name
    created_at: UtcTime


class OwnKey(Record):
    """A public key of a site or a person; a revoked one still proves what was signed before."""

    key_id: str
    public_key: str
    created_at: UtcTime
    revoked_at: UtcTime | None = None


class User(Record):
    """A person. ``email`` is filled only for those who need it: themselves, colleagues, admins."""

    id: Id
    name: Name
    organization_id: Id
    is_admin: bool = False
    email: str | None = None
    keys: tuple[OwnKey, ...] = ()
    created_at: UtcTime


class Site(Record):
    """An organization's installation beside its data."""

    id: Id
    name: Name
    organization_id: Id
    keys: tuple[OwnKey, ...] = ()
    created_at: UtcTime
    last_seen_at: UtcTime | None = None


class InvitationKind(StrEnum):
    """What an invitation lets in."""

    USER = "user"
    SITE = "site"


class InvitationForm(Form):
    """Invite a person or a site into an organization. A user's name and email are needed."""

    kind: InvitationKind
    organization_id: Id
    name: Name
    email: str | None = Field(default=None, pattern=EMAIL_PATTERN)
    is_admin: bool = False
    valid_days: int = Field(default=14, ge=1, le=90)


class Invitation(Record):
    """An invitation, without its token."""

    id: Id
    kind: InvitationKind
    organization_id: Id
    name: Name
    email: str | None = None
    is_admin: bool = False
    state: str
    created_at: UtcTime
    expires_at: UtcTime


class IssuedInvitation(Record):
    """A new invitation with its one-time token, which is shown once and stored nowhere."""

    invitation: Invitation
    token: str


class Redemption(Form):
    """A person takes up an invitation; ``label`` names the machine the access token is for."""

    token: str
    label: Name = "command line"


class AccessToken(Record):
    """What is known of an access token; the secret itself is not kept."""

    id: Id
    label: Name
    created_at: UtcTime
    expires_at: UtcTime
    revoked_at: UtcTime | None = None


class IssuedAccess(Record):
    """A person's access, with the secret that is shown once."""

    user: User
    access_token: AccessToken
    secret: str


class Enrollment(Form):
    """A site takes up an invitation and proves that it holds the key it names.

    ``proof`` is the base64 signature of the UTF-8 bytes of ``medperf-enroll:<token>``.
    """

    token: str
    name: Name
    public_key: str
    proof: str


class SitePolicyForm(Form):
    """The site's signed ``policy`` statement about a version it put in force, an envelope as JSON.

    It names the version and its digest; the policy's text stays at the site.
    """

    statement: dict[str, Any]


class KeyRotation(Form):
    """A site's next key, proven as in an enrollment with ``medperf-rotate:<site id>``."""

    public_key: str
    proof: str


class PersonKey(Form):
    """A person's own key, proven with its signature of ``medperf-person-key:<user id>``.

    While another key of theirs is active, ``former_proof`` is that key's signature of
    ``medperf-person-key:<user id>:<id of the new key>``; it ends with that.
    """

    public_key: str
    proof: str
    former_proof: str | None = None


class Principal(Record):
    """Who the server takes the caller for: a person or a site, never both."""

    user: User | None = None
    site: Site | None = None
    organization: Organization


class ServerInfo(Record):
    """What anybody may know of a server. ``public_key`` verifies grants, ``log_key`` the log."""

    name: Name
    version: str
    public_key: str
    key_id: str
    log_key: str = ""
    time: UtcTime
