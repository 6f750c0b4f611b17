"""What a report's numbers rest on: digests, the log, and what verifying it all found."""

from collections import Counter
from collections.abc import Iterator

from medperf.evidence.dossier import Dossier, Proof
from medperf.provenance.verdict import STEPS
from medperf.web.document import Block, Facts, Notice, Paragraph, TableBlock, Tone
from medperf.web.figures import Table
from medperf.web.numbers import NONE


def provenance(dossier: Dossier) -> Iterator[Block]:
    """Digests of all that could change a number, and the verdict."""
    yield from _verdict(dossier.proof)
    yield Facts(tuple(_digests(dossier)), exact=frozenset(name for name, _ in _digests(dossier)))
    if dossier.models:
        yield TableBlock("What ran as each model", _models(dossier))
    if dossier.proof is not None:
        yield Paragraph(
            "The checkpoint below commits the server to the whole log. Anyone who sees another"
            " one of the same size has proof that somebody was lied to."
        )
        lines = dossier.proof.checkpoint.rstrip("\n").split("\n")
        names = ("Log", "Size", "Root hash")
        told = [*zip(names, lines, strict=False), ("Signed by", dossier.proof.log_key)]
        yield Facts(tuple(told), exact=frozenset({"Log", "Root hash", "Signed by"}))


def _verdict(proof: Proof | None) -> Iterator[Block]:
    if proof is None:
        yield Notice(
            "Nothing was verified: there was no bundle, or no log key that is trusted here.",
            Tone.CAUTION,
        )
        return
    verdict = proof.verdict
    good = sum(result.is_verified for result in verdict.results)
    said = (
        f"{good} of {len(verdict.results)} results verified: {len(verdict.checked)} checks hold,"
        f" {len(verdict.failed)} fail, {len(verdict.missing)} could not be made."
    )
    yield Notice(said, Tone.GOOD if verdict.is_verified else Tone.CAUTION)
    held = Counter(finding.step for finding in verdict.checked)
    failed = Counter(finding.step for finding in verdict.failed)
    missing = Counter(finding.step for finding in verdict.missing)
    yield TableBlock(
        "What was checked, step by step",
        Table(
            ("Check", "Step", "Holds", "Fails", "Not possible"),
            tuple(
                (title, str(step), str(held[step]), str(failed[step]), str(missing[step]))
                for step, title in sorted(STEPS.items())
            ),
            numeric=frozenset({1, 2, 3, 4}),
        ),
    )
    trouble = [*verdict.failed, *verdict.missing]
    if trouble:
        yield TableBlock(
            "What does not hold or could not be checked",
            Table(
                ("About", "Step", "Finding"),
                tuple((each.about, str(each.step), each.detail) for each in trouble),
                numeric=frozenset({1}),
            ),
        )


def _digests(dossier: Dossier) -> Iterator[tuple[str, str]]:
    yield "Benchmark", dossier.benchmark.digest
    yield "Analysis plan", dossier.benchmark.analysis_plan_digest
    for role, container in (
        ("Preparator", dossier.preparator),
        ("Evaluator", dossier.evaluator),
    ):
        if container is not None:
            yield f"{role} image", container.image_digest
            if container.parameters_digest is not None:
                yield f"{role} parameters", container.parameters_digest


def _models(dossier: Dossier) -> Table:
    rows = []
    for model in dossier.models:
        container = dossier.containers.get(model.container_id or 0)
        hidden = "not visible to the one who asked"
        rows.append(
            (
                model.name,
                dossier.organizations.get(model.organization_id, NONE),
                str(model.version),
                hidden if container is None else container.image_digest,
            )
        )
    headers = ("Model", "By", "Version", "Image")
    return Table(headers, tuple(rows), numeric=frozenset({2}), exact=frozenset({3}))
