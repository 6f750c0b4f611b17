"""The server's API as Python: one method per route, grouped by noun as the routes are."""

from typing import Any

from medperf.client.log import Log
from medperf.client.paging import BASE
from medperf.client.resources import Actable, Readable, Registrable
from medperf.client.transport import Credential, Transport
from medperf.domain.agreements import Agreement, AgreementForm
from medperf.domain.ai_models import Model, ModelForm
from medperf.domain.associations import Association, AssociationForm
from medperf.domain.benchmarks import (
    AssociationPolicies,
    AssociationPolicy,
    AssociationPolicyForm,
    Benchmark,
    BenchmarkForm,
)
from medperf.domain.container_records import Container, ContainerForm
from medperf.domain.datasets import Dataset, DatasetForm
from medperf.domain.executions import (
    Execution,
    Failure,
    GrantAnswer,
    GrantAnswers,
    GrantRequest,
    Pair,
    Work,
)
from medperf.domain.leaderboards import Comparison, Leaderboard, Trend
from medperf.domain.log import LogBundle
from medperf.domain.people import (
    AccessToken,
    Enrollment,
    Invitation,
    InvitationForm,
    IssuedAccess,
    IssuedInvitation,
    KeyRotation,
    Organization,
    OrganizationForm,
    PersonKey,
    Principal,
    Redemption,
    ServerInfo,
    Site,
    SitePolicyForm,
    User,
)
from medperf.domain.results import AuditEvent, Result, ResultForm


class Invitations(Actable[Invitation]):
    """How people and sites come in."""

    def issue(self, form: InvitationForm) -> IssuedInvitation:
        """POST ``/invitations``."""
        answer = self._transport.post(self._path, form.model_dump(mode="json"))
        return IssuedInvitation.model_validate(answer)

    def redeem(self, form: Redemption) -> IssuedAccess:
        """POST ``/invitations/redeem``: a person comes in."""
        answer = self._transport.post(f"{self._path}/redeem", form.model_dump(mode="json"))
        return IssuedAccess.model_validate(answer)


class Sites(Readable[Site]):
    """Installations beside the data."""

    def enroll(self, form: Enrollment) -> Site:
        """POST ``/sites/enroll``: a site comes in."""
        answer = self._transport.post(f"{self._path}/enroll", form.model_dump(mode="json"))
        return Site.model_validate(answer)

    def rotate_key(self, form: KeyRotation) -> Site:
        """POST ``/sites/me/keys``: from now on the site signs with another key."""
        answer = self._transport.post(f"{self._path}/me/keys", form.model_dump(mode="json"))
        return Site.model_validate(answer)

    def log_policy(self, statement: dict[str, Any]) -> Site:
        """POST ``/sites/me/policies``: which policy is in force here, for the log."""
        form = SitePolicyForm(statement=statement)
        answer = self._transport.post(f"{self._path}/me/policies", form.model_dump(mode="json"))
        return Site.model_validate(answer)

    def revoke_key(self, number: int, key_id: str, reason: str = "") -> Site:
        """POST ``/sites/{number}/keys/{key_id}/revoke``: an admin or the site's organization."""
        path = f"{self._path}/{number}/keys/{key_id}/revoke"
        return Site.model_validate(self._transport.post(path, {"reason": reason}))


class Benchmarks(Registrable[BenchmarkForm, Benchmark]):
    """Clinical tasks, and what came of them."""

    def leaderboard(self, number: int) -> Leaderboard:
        """GET ``/benchmarks/{number}/leaderboard``."""
        answer = self._transport.get(f"{self._path}/{number}/leaderboard")
        return Leaderboard.model_validate(answer)

    def compare(
        self,
        number: int,
        first: int,
        second: int,
        *,
        metric: str | None = None,
        margin: float | None = None,
    ) -> Comparison:
        """GET ``/benchmarks/{number}/comparison``: two models on the same patients."""
        asked = {"first": first, "second": second, "metric": metric, "margin": margin}
        answer = self._transport.get(f"{self._path}/{number}/comparison", asked)
        return Comparison.model_validate(answer)

    def trend(self, number: int) -> Trend:
        """GET ``/benchmarks/{number}/trend``: the primary metric over versions."""
        return Trend.model_validate(self._transport.get(f"{self._path}/{number}/trend"))

    def bundle(self, number: int) -> LogBundle:
        """GET ``/benchmarks/{number}/bundle``: the leaderboard with all that proves it."""
        answer = self._transport.get(f"{self._path}/{number}/bundle")
        return LogBundle.model_validate(answer)

    def policies(self, number: int) -> tuple[AssociationPolicy, ...]:
        """GET ``/benchmarks/{number}/policies``: all that were ever in force, oldest first."""
        answer = self._transport.get(f"{self._path}/{number}/policies")
        return AssociationPolicies.model_validate(answer).items

    def put_policy(self, number: int, form: AssociationPolicyForm) -> AssociationPolicy:
        """POST ``/benchmarks/{number}/policies``: who may take part from now on."""
        answer = self._transport.post(
            f"{self._path}/{number}/policies", form.model_dump(mode="json")
        )
        return AssociationPolicy.model_validate(answer)


class Executions(Actable[Execution]):
    """Models on datasets, each under a grant."""

    def work(self, *, after: int = -1, wait_s: float = 0) -> Work:
        """GET ``/work``: what this site could do; waits until ``version`` exceeds ``after``."""
        answer = self._transport.get(
            f"{BASE}/work", {"after": after, "wait_s": wait_s}, read_timeout_s=wait_s + 30
        )
        return Work.model_validate(answer)

    def request_grants(self, pairs: tuple[Pair, ...]) -> tuple[GrantAnswer, ...]:
        """POST ``/executions``: one answer per pair, in order.

        A pair whose live grant this site holds already is answered with that same grant, so that a
        site which was killed before it stored an answer can ask again.
        """
        form = GrantRequest(pairs=pairs)
        answer = self._transport.post(self._path, form.model_dump(mode="json"))
        return GrantAnswers.model_validate(answer).answers

    def fail(self, number: int, failure: Failure) -> Execution:
        """POST ``/executions/{number}/fail``: a code and resource facts, never text."""
        path = f"{self._path}/{number}/fail"
        return Execution.model_validate(self._transport.post(path, failure.model_dump(mode="json")))


class Results(Actable[Result]):
    """Released estimates."""

    def submit(self, form: ResultForm) -> Result:
        """POST ``/results``. At a site only the gate may call this."""
        answer = self._transport.post(self._path, form.model_dump(mode="json"))
        return Result.model_validate(answer)

    def bundle(self, number: int) -> LogBundle:
        """GET ``/results/{number}/bundle``: all that a stranger needs to check it."""
        answer = self._transport.get(f"{self._path}/{number}/bundle")
        return LogBundle.model_validate(answer)


class Users(Readable[User]):
    """People."""

    def register_key(self, form: PersonKey) -> User:
        """POST ``/users/me/keys``: from now on the person decides with this key."""
        answer = self._transport.post(f"{self._path}/me/keys", form.model_dump(mode="json"))
        return User.model_validate(answer)

    def revoke_key(self, number: int, key_id: str, reason: str = "") -> User:
        """POST ``/users/{number}/keys/{key_id}/revoke``: the person's own act, or an admin's."""
        path = f"{self._path}/{number}/keys/{key_id}/revoke"
        return User.model_validate(self._transport.post(path, {"reason": reason}))


class Agreements(Registrable[AgreementForm, Agreement]):
    """What organizations signed with one another."""

    def bundle(self, number: int) -> LogBundle:
        """GET ``/agreements/{number}/bundle``: every signature, with all that proves it."""
        answer = self._transport.get(f"{self._path}/{number}/bundle")
        return LogBundle.model_validate(answer)


class Datasets(Registrable[DatasetForm, Dataset]):
    """Prepared sets that stay where they are. At a site only the gate may register one."""


class ServerClient:
    """Typed access to one server as one principal."""

    def __init__(
        self,
        url: str,
        credential: Credential | None = None,
        *,
        transport: Transport | None = None,
        **options: Any,
    ) -> None:
        self._transport = transport or Transport(url, credential, **options)
        connection = self._transport
        self.organizations = Registrable[OrganizationForm, Organization](
            connection, "organizations", Organization
        )
        self.users = Users(connection, "users", User)
        self.sites = Sites(connection, "sites", Site)
        self.invitations = Invitations(connection, "invitations", Invitation)
        self.access_tokens = Actable(connection, "access-tokens", AccessToken)
        self.containers = Registrable[ContainerForm, Container](connection, "containers", Container)
        self.models = Registrable[ModelForm, Model](connection, "models", Model)
        self.benchmarks = Benchmarks(connection, "benchmarks", Benchmark)
        self.datasets = Datasets(connection, "datasets", Dataset)
        self.associations = Registrable[AssociationForm, Association](
            connection, "associations", Association
        )
        self.executions = Executions(connection, "executions", Execution)
        self.results = Results(connection, "results", Result)
        self.agreements = Agreements(connection, "agreements", Agreement)
        self.log = Log(connection)
        self.audit_events = Readable(connection, "audit-events", AuditEvent)

    @property
    def transport(self) -> Transport:
        """The connection below, for what needs no types."""
        return self._transport

    def close(self) -> None:
        """Close the connections, if no thread uses them any more."""
        self._transport.close()

    def beside(self) -> "ServerClient":
        """The same over a connection of its own, for a thread that others do not wait for."""
        return ServerClient(self._transport.url, transport=self._transport.beside())

    def info(self) -> ServerInfo:
        """GET ``/server``: open to anybody."""
        return ServerInfo.model_validate(self._transport.get(f"{BASE}/server"))

    def me(self) -> Principal:
        """GET ``/me``."""
        return Principal.model_validate(self._transport.get(f"{BASE}/me"))
