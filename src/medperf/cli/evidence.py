"""Writing reports and evidence packs to files."""

from pathlib import Path
from typing import TYPE_CHECKING

from medperf.cli.dossiers import gather
from medperf.cli.new_files import refuse_existing, write_new
from medperf.cli.output import show_done
from medperf.cli.progress import waiting
from medperf.domain.errors import ProofError

if TYPE_CHECKING:
    from medperf.evidence.dossier import Dossier


def write_report(reference: str, out: Path, pdf: Path | None) -> None:
    """Write a benchmark's report as a page and, if asked for, as a PDF.

    Raises:
        ConflictError: a file exists.
        NotInstalledError: the extra ``report`` is not installed.
    """
    from medperf.evidence.report import report
    from medperf.web import html
    from medperf.web import pdf as file

    paths = [out] if pdf is None else [out, pdf]
    refuse_existing(*paths)
    with waiting("Writing the report"):
        dossier = gather(reference)
        document = report(dossier)
        # Both are made before one is written: never half of what was asked for.
        page = html.render(document).encode()
        paper = None if pdf is None else file.render(document, dossier.leaderboard.as_of)
    write_new(out, page)
    if pdf is not None and paper is not None:
        write_new(pdf, paper)
    files = [str(path) for path in paths]
    show_done(f"{' and '.join(files)}: the report.", {"files": files})


def write_pack(reference: str, out: Path) -> None:
    """Write a benchmark's evidence pack, once it passed its own checks.

    Raises:
        ConflictError: the file exists.
        NotInstalledError: the extra ``report`` is not installed.
        ProofError: something in it does not verify.
    """
    from medperf.evidence.pack.archive import archive
    from medperf.evidence.pack.contents import pack
    from medperf.evidence.pack.self_check import self_check

    refuse_existing(out)
    with waiting("Writing the evidence pack"):
        dossier = gather(reference)
        _require_proof(dossier)
        found = pack(dossier)
        checks = self_check(found)
        packed = archive(found)
    write_new(out, packed)
    record = {"file": str(out), "n_files": len(found.files), "checks": checks}
    said = "; ".join(checks)
    show_done(f"{out}: {len(found.files)} files. {said}.", record)


def _require_proof(dossier: "Dossier") -> None:
    proof = dossier.proof
    if proof is None:
        raise ProofError(
            "there is nothing to prove this benchmark's results with",
            hint="Log in again, so that the log's key is known here; see 'medperf log key'.",
        )
    if not proof.verdict.results:
        raise ProofError(
            "no result of this benchmark is visible to you together with its proof",
            hint="Ask the benchmark's committee for the pack: it sees every result.",
        )
    if proof.verdict.failed:
        first = proof.verdict.failed[0]
        raise ProofError(
            f"{len(proof.verdict.failed)} checks fail; the first: {first.about}: {first.detail}",
            hint="See 'medperf benchmark bundle' and 'medperf verify'; tell the server's admin.",
        )
