"""Logging which policy a site put in force. The server sees a digest, and decides nothing by it."""

from medperf.domain.errors import ForbiddenError, InvalidRequestError
from medperf.domain.people import SitePolicyForm
from medperf.provenance.envelope import Envelope, verify
from medperf.provenance.keys import PublicKey
from medperf.provenance.predicates import PolicyPredicate
from medperf.provenance.statements import read_statement
from medperf.server.call import Call, Wire
from medperf.server.db.writing import record
from medperf.server.log.appending import Said, append
from medperf.server.log.queries import leaf_naming
from medperf.server.sites.queries import active_keys
from medperf.server.sites.service import get


def log_policy(call: Call, form: SitePolicyForm) -> Wire:
    """Append a site's own statement; said again, it is in the log already.

    Raises:
        ForbiddenError: if no site asks, or it is about another one.
        SignatureError: if no active key of the site signed it.
        InvalidRequestError: if its subjects are not what it names.
    """
    site_id = call.caller.site_id
    if site_id is None:
        raise ForbiddenError("only a site says which policy it put in force")
    envelope = Envelope.from_value(form.statement)
    keys = {
        key_id: PublicKey.from_text(text)
        for key_id, text in active_keys(call.connection, site_id).items()
    }
    statement = read_statement(verify(envelope, keys), PolicyPredicate)
    said = statement.predicate
    if said.site_id != site_id:
        raise ForbiddenError(f"this policy is said to be of site {said.site_id}, not {site_id}")
    if said.benchmark_id is not None or said.decided_by is not None:
        raise InvalidRequestError("a site's policy is about its own data, and its people's act")
    if dict(statement.subjects) != said.subjects():
        raise InvalidRequestError("the statement's subjects are not what its predicate names")
    if leaf_naming(call.connection, envelope.digest) is None:
        append(call, Said(PolicyPredicate.kind, f"site:{site_id}", envelope))
        record(
            call,
            "site.policy",
            f"site:{site_id}",
            version=said.policy_version,
            digest=said.policy_digest,
        )
    return get(call, site_id)
