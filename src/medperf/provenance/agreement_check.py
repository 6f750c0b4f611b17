"""Did every party sign the same thing? Step 12 of a verification.

An agreement is concluded by a statement of the server that names one earlier statement of each
party, all of the same terms. From a later termination by one of the parties on it is over.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from medperf.provenance.believed import Believed
from medperf.provenance.predicates import AgreementPredicate, Decider
from medperf.provenance.verdict import Verdict, VerifiedAgreement

_Of = list[tuple[Believed, AgreementPredicate]]


def check_agreements(believed: Sequence[Believed], verdict: Verdict) -> None:
    """Add to the verdict what holds about each agreement.

    Args:
        believed: statements in the order of the log.
        verdict: gets the findings and the agreements.
    """
    by_number: dict[int, _Of] = {}
    for item in believed:
        said = item.statement.predicate
        if isinstance(said, AgreementPredicate):
            by_number.setdefault(said.agreement_id, []).append((item, said))
    for number, statements in sorted(by_number.items()):
        _check(f"agreement {number}", statements, verdict)


def _check(about: str, statements: _Of, verdict: Verdict) -> None:
    concluded = next((each for each in statements if each[1].event == "concluded"), None)
    if concluded is None:
        verdict.miss(12, about, "it is not concluded: no statement says that every party signed")
        return
    item, said = concluded
    earlier = {
        each.statement.digest: signed
        for each, signed in statements
        if signed.event == "signed" and each.index < item.index
    }
    signed_by = _signatures(about, said, earlier, verdict)
    if signed_by is None:
        return
    names = ", ".join(f"{each.name} ({_name_of(said, party)})" for party, each in signed_by.items())
    verdict.hold(12, about, f"signed by {names}")
    verdict.agreements.append(
        VerifiedAgreement(said.terms(), signed_by, item.index, _terminated(said, statements))
    )


def _name_of(said: AgreementPredicate, organization_id: int) -> str:
    return next(each.name for each in said.parties if each.organization_id == organization_id)


def _signatures(
    about: str,
    said: AgreementPredicate,
    earlier: Mapping[str, AgreementPredicate],
    verdict: Verdict,
) -> dict[int, Decider] | None:
    signed_by: dict[int, Decider] = {}
    for party in said.parties:
        digest = said.signatures.get(str(party.organization_id))
        signed = earlier.get(digest) if digest is not None else None
        if digest is None:
            verdict.fail(12, about, f"it is called concluded, but {party.name} signed nothing")
        elif signed is None:
            verdict.miss(12, about, f"the signature of {party.name}, {digest}, is not here")
        elif signed.organization_id != party.organization_id:
            verdict.fail(12, about, f"what stands for {party.name} was signed for another party")
        elif signed.terms() != said.terms():
            verdict.fail(12, about, f"{party.name} signed other terms")
        else:
            signed_by[party.organization_id] = signed.by
    return signed_by if len(signed_by) == len(said.parties) else None


def _terminated(said: AgreementPredicate, statements: _Of) -> datetime | None:
    parties = {each.organization_id for each in said.parties}
    ended = [
        other.by.at
        for _, other in statements
        if other.event == "terminated" and other.organization_id in parties
    ]
    return min(ended, default=None)
