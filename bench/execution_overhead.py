"""What the platform adds to an execution: infer, then evaluate, each in the sandbox.

Beside it stand the same two programs as bare processes. The site works on one job at a time, and a
turn is counted from asking the server for work until the server has the result.
"""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench.scenes.cast import METRIC, Cast
from bench.scenes.hospitals import N_CASES, hospital, opened, take_part
from bench.scenes.processes import load_note, server_processes
from bench.table import Row, show
from medperf.runners.archives import pack
from medperf.runners.sandbox import SandboxRunner
from medperf.runners.selection import RunnerSet
from medperf.site.app import Site
from medperf.site.settings import set_setting

TURNS = 7
BATCH = 11
_ROOT = "MEDPERF_BENCH_ROOT"
_MODEL = f"""
import os
root = os.environ.get("{_ROOT}", "/mlcommons/volumes")
for name in os.listdir(f"{{root}}/data"):
    with open(f"{{root}}/predictions/{{name}}", "w") as file:
        file.write("0.5")
"""
_EVALUATOR = f"""
import os
root = os.environ.get("{_ROOT}", "/mlcommons/volumes")
n_cases = len(os.listdir(f"{{root}}/predictions"))
with open(f"{{root}}/results/results.yaml", "w") as file:
    file.write(f"schema: medperf.results/v1\\nn_cases: {{n_cases}}\\n")
    file.write(f"metrics: [{{{{name: {METRIC}, value: 0.9, n: {{n_cases}}}}}}]\\n")
"""


def main() -> None:
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(server_processes(place / "server", processes=1))
        model, evaluator = _code(place / "model", _MODEL), _code(place / "evaluator", _EVALUATOR)
        cast = Cast(server.folder, server.url, evaluator_code=evaluator)
        stack.callback(cast.close)
        folder = place / "site"
        take_part(cast, folder, hospital(cast, folder, "Site"))
        for key, value in {"workers": "1", "allow_local": "true"}.items():
            set_setting(folder / "site.yaml", key, value)
        runner = SandboxRunner(folder / "work" / "sandbox")
        level = runner.available()
        site = stack.enter_context(opened(folder, RunnerSet([runner])))

        bare, first, further = [], [], []
        for turn in range(-1, TURNS):  # the first one warms up
            bare_s = _bare(place)
            _add_models(cast, model, f"Single {turn}", 1)
            first_s = _settled(site)
            _add_models(cast, model, f"Batch {turn}", BATCH if turn % 3 == 0 else 0)
            batch_s = _settled(site) if turn % 3 == 0 else None
            if turn < 0:
                continue
            bare.append(bare_s)
            first.append(first_s)
            if batch_s is not None:
                further.append((batch_s - first_s) / (BATCH - 1))
    bare_s, first_s, further_s = median(bare), median(first), median(further)
    show(
        "One execution with trivial containers (median wall time)",
        [
            Row("first execution", first_s, "s", bare_s, "bare processes"),
            Row("  added", first_s - bare_s, "s", 5.2, "MedPerf, recorded", "< 0.3 s"),
            Row("each further model of a batch", further_s, "s", bare_s, "bare processes"),
            Row("  added", further_s - bare_s, "s", 1.0, "MedPerf, recorded", "< 0.1 s"),
        ],
        [f"sandbox: {level.reason}; {N_CASES} cases, one worker", load_note()],
    )


def _code(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "main.py").write_text(text)
    archive = folder.with_suffix(".tar.gz")
    pack(folder, archive)
    return archive


def _bare(place: Path) -> float:
    """The two programs as processes, on data of the same size."""
    root = place / "bare"
    for name in ("data", "predictions", "results"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for number in range(N_CASES):
        (root / "data" / f"case{number}.txt").write_text("a case")
    began = time.perf_counter()
    for part in ("model", "evaluator"):
        subprocess.run(
            [sys.executable, "main.py"],
            cwd=place / part,
            env={**os.environ, _ROOT: str(root)},
            check=True,
        )
    return time.perf_counter() - began


def _add_models(cast: Cast, code: Path, name: str, n: int) -> None:
    for number in range(n):
        model = cast.model(cast.vendor, f"{name} {number}", code)
        cast.take_part(cast.vendor.client, model)


def _settled(site: Site) -> float:
    """Let the agent do everything there is, and say how long it took."""
    before = site.jobs.counts().get("reported", 0)
    began = time.perf_counter()
    site.agent().settle()
    took = time.perf_counter() - began
    counts = site.jobs.counts()
    if counts.get("reported", 0) == before or set(counts) != {"reported"}:
        failures = [job.failure for job in site.jobs.in_states() if job.failure]
        raise RuntimeError(f"the jobs did not all end well: {counts}, {failures}")
    return took


if __name__ == "__main__":
    main()
