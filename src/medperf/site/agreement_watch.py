"""Fetching the agreements of a site's organization, and believing only what their parties signed.

The server says which agreements there are; what they say comes from the bundle of their statements,
verified against the log's key that is trusted here. An end before the term is believed
from a party's statement alone, too.
"""

import json
from typing import Any

from medperf.client.api import ServerClient
from medperf.client.log_watch import LogWatch
from medperf.domain.agreements import Agreement
from medperf.domain.clock import Clock
from medperf.domain.errors import MalformedFileError, UntrustedError
from medperf.provenance.bundle import Bundle
from medperf.provenance.verdict import VerifiedAgreement
from medperf.provenance.verify import verify_bundle
from medperf.site.store.agreements import Agreements, KnownAgreement


class AgreementWatch:
    """Keeps a site's agreements as the server's log has them."""

    def __init__(
        self,
        client: ServerClient,
        known: Agreements,
        log_watch: LogWatch,
        *,
        clock: Clock,
        log: Any,
    ) -> None:
        self._client = client
        self._known = known
        self._log_watch = log_watch
        self._clock = clock
        self._log = log

    def refresh(self, version: int) -> None:
        """Take in what changed since the version that was heard last.

        What does not verify is not believed, and asked for again the next time.

        Raises:
            UnavailableError: the server is away.
        """
        if version in {0, self._known.version()}:
            return  # at 0, no agreement of this organization was ever concluded
        is_whole = True
        known = {each.agreement_id: each for each in self._known.all()}
        for offered in self._client.agreements.list():
            if not _is_news(offered, known.get(offered.id)):
                continue
            try:
                self._known.keep(self._verified(offered))
            except (UntrustedError, MalformedFileError) as error:
                is_whole = False
                self._log.warning("agreement_refused", agreement_id=offered.id, code=error.code)
            else:
                self._log.info("agreement_verified", agreement_id=offered.id)
        if is_whole:
            self._known.heard(version)

    def _verified(self, offered: Agreement) -> KnownAgreement:
        content = self._client.agreements.bundle(offered.id).model_dump(mode="json")
        text = json.dumps(content)
        bundle = Bundle.from_bytes(text.encode())
        verdict = verify_bundle(bundle, self._log_watch.keys.current)
        found = next((a for a in verdict.agreements if a.terms.agreement_id == offered.id), None)
        if found is None or not verdict.is_verified:
            faults = "; ".join(
                f"{f.about}: {f.detail}" for f in (*verdict.failed, *verdict.missing)
            )
            raise UntrustedError(f"agreement {offered.id} does not verify: {faults}")
        if offered.terminated_at is not None and found.terminated_at is None:
            raise UntrustedError(f"no party's statement terminates agreement {offered.id}")
        self._log_watch.accept_checkpoint(self._client.transport, bundle.checkpoint)
        return self._as_known(found, text)

    def _as_known(self, found: VerifiedAgreement, bundle: str) -> KnownAgreement:
        terms = found.terms
        return KnownAgreement(
            agreement_id=terms.agreement_id,
            kind=terms.agreement_type,
            title=terms.title,
            document_digest=terms.document_digest,
            party_ids=frozenset(party.organization_id for party in terms.parties),
            benchmark_id=terms.benchmark_id,
            dataset_id=terms.dataset_id,
            model_id=terms.model_id,
            starts_at=terms.starts_at,
            ends_at=terms.ends_at,
            terminated_at=found.terminated_at,
            bundle=bundle,
            verified_at=self._clock(),
        )


def _is_news(offered: Agreement, known: KnownAgreement | None) -> bool:
    if offered.concluded_at is None:
        return False
    return known is None or (offered.terminated_at is not None and known.terminated_at is None)
