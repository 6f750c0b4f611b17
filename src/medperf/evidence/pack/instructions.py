"""What a reader of a pack finds on top: what is inside, and how to verify it alone."""

from medperf.evidence.dossier import Dossier


def instructions(dossier: Dossier) -> str:
    """The pack's README."""
    benchmark = dossier.benchmark
    log = dossier.proof.log_key.partition("+")[0] if dossier.proof else ""
    return f"""\
# Evidence: {benchmark.name}, version {benchmark.version}

Benchmark {benchmark.id} of {dossier.committee},
as of {dossier.leaderboard.as_of:%Y-%m-%d %H:%M} UTC.

Begin with `report.html` or `report.pdf`.

| file | what it is |
|---|---|
| `report.html`, `report.pdf` | question, cohorts, methods, results, failures, proof, checklists |
| `leaderboard.json`, `.csv`, `.html` | every number of the leaderboard |
| `charts/` | the charts of the report as SVG |
| `benchmark.json`, `plan.json` | the benchmark, and its analysis plan as its digest has it |
| `datasets/` | a Croissant description of each dataset; the data stay at their sites |
| `models/` | a card for each model |
| `results/` | what left the sites, one document for each execution, by the number of its grant |
| `proof/` | the signed statements with their proofs, the log's checkpoint and its key |
| `workflow/` | the steps, as a Workflow RO-Crate |
| `ro-crate-metadata.json` | all of this for programs: RO-Crate 1.2, Five Safes profile 0.4 |

## Verify it without asking anyone

1. Files are unchanged: in the folder above this one, `sha512sum --check manifest-sha512.txt`.
2. Get the key of the log `{log}` from someone you trust, not from this pack, and compare it with
   `proof/log-key.txt`. If it is another one, the log's key was replaced since: ask for a new pack.
3. Signatures, grants, approvals and the log's proofs:
   `medperf verify proof/bundle.json --log-key proof/log-key.txt`. Needs no server and no login.
4. The plan: `sha256sum plan.json` is `{benchmark.analysis_plan_digest.removeprefix("sha256:")}`,
   which stands in every signed result.
5. Public validators: `rocrate-validator validate .` and, for each file in `datasets/`,
   `mlcroissant validate --jsonld FILE`.

What no signature can show: that a site's data are what the site says, and that a model's makers
never saw them.
"""
