"""Does a result answer its grant? The server asks when a result comes in, a reader years later."""

from collections.abc import Collection
from datetime import timedelta

from medperf.provenance.predicates import GrantPredicate, ResultPredicate
from medperf.provenance.statements import Statement

CLOCK_TOLERANCE_S = 300


def grant_faults(
    result: ResultPredicate, signed_by: Collection[str], grant: Statement[GrantPredicate]
) -> list[str]:
    """Say in sentences what of a result does not answer its grant; nothing if all does.

    Args:
        result: the result's predicate.
        signed_by: ids of the keys whose signatures over the result hold.
        grant: the grant, read from its verified payload.
    """
    permitted = grant.predicate
    faults = [
        f"{name} is {getattr(result, name)}, the grant says {getattr(permitted, name)}"
        for name in (*result.differences(permitted), *_identity_differences(result, permitted))
    ]
    if result.grant_digest != grant.digest:
        faults.append(f"it names grant {result.grant_digest}, this grant is {grant.digest}")
    if permitted.site_key_id not in signed_by:
        faults.append(f"it is not signed by {permitted.site_key_id}, to which the grant was given")
    tolerance = timedelta(seconds=CLOCK_TOLERANCE_S)
    faults += [
        f"step {step.task} began at {step.started_at:%Y-%m-%d %H:%M:%SZ}, outside the grant's time"
        for step in result.steps
        if not permitted.issued_at - tolerance <= step.started_at < permitted.expires_at + tolerance
    ]
    return faults


def _identity_differences(result: ResultPredicate, grant: GrantPredicate) -> list[str]:
    return [
        name for name in ("grant_id", "site_id") if getattr(result, name) != getattr(grant, name)
    ]
