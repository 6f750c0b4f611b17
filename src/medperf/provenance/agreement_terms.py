"""The terms of an agreement as every party signs them, from the record that everybody sees."""

from medperf.domain.agreements import Agreement
from medperf.provenance.predicates import AgreementParty, AgreementTerms


def terms_of(agreement: Agreement) -> AgreementTerms:
    """What a statement about this agreement says is agreed."""
    return AgreementTerms(
        agreement_id=agreement.id,
        agreement_type=agreement.kind.value,
        title=agreement.title,
        document_digest=agreement.document_digest,
        document_size_bytes=agreement.document_size_bytes,
        parties=tuple(
            AgreementParty(organization_id=party.organization_id, name=party.name)
            for party in agreement.parties
        ),
        benchmark_id=agreement.benchmark_id,
        dataset_id=agreement.dataset_id,
        model_id=agreement.model_id,
        starts_at=agreement.starts_at,
        ends_at=agreement.ends_at,
    )
