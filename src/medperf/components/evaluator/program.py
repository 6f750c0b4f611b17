"""The evaluator as a program: mounted folders in, ``results.yaml`` and ``cases.csv`` out.

Exit status: 0 with results, 2 with one line on stderr that says what is wrong with the input.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from medperf.components.evaluator.case_values import write_cases
from medperf.components.evaluator.estimates import estimate
from medperf.components.evaluator.parameters import read_parameters
from medperf.components.evaluator.scoring import score_all
from medperf.components.evaluator.tasks.base import Failure
from medperf.domain.errors import MedPerfError

ROOT = "/mlcommons/volumes"
BAD_INPUT = 2


def main(arguments: Sequence[str]) -> int:
    """Run the task named in ``arguments`` and answer with the exit status."""
    options = _options(arguments)
    try:
        evaluate(
            predictions=options.predictions,
            labels=options.labels,
            parameters_file=options.parameters_file,
            output=options.output_path,
            local_outputs=options.local_outputs_path,
        )
    except MedPerfError as fault:
        sys.stderr.write(f"error: {fault.detail} [{fault.code}]\n")
        return BAD_INPUT
    return 0


def evaluate(
    *, predictions: Path, labels: Path, parameters_file: Path, output: Path, local_outputs: Path
) -> None:
    """Score the predictions in one folder against the labels in another.

    Raises:
        EmptyInputError: if a folder or file is missing or empty.
        MalformedFileError: if a file is not what the parameters say.
    """
    parameters = read_parameters(parameters_file)
    task = parameters.task
    members = parameters.cohort.read(labels)
    _say(f"read {len(members)} cases with reference labels")
    scorer = task.scorer(labels, predictions, members, _say)
    outcomes = score_all(
        members, scorer, _say, in_parallel=task.in_parallel, workers=parameters.workers
    )
    _say_failures(outcomes)
    document = estimate(members, outcomes, parameters, _say)
    local_outputs.mkdir(parents=True, exist_ok=True)
    write_cases(local_outputs / "cases.csv", members, outcomes, parameters)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    _say(f"wrote {len(document['metrics'])} numbers over {document['n_cases']} cases")


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="main.py", description=(__doc__ or "").splitlines()[0])
    task = parser.add_subparsers(dest="task", required=True).add_parser("evaluate")
    for name, default in (
        ("predictions", "predictions"),
        ("labels", "labels"),
        ("parameters_file", "parameters/parameters_file.yaml"),
        ("output_path", "results/results.yaml"),
        ("local_outputs_path", "local_outputs"),
    ):
        # Where a sandbox has no root of its own, mounts lie elsewhere; the platform says where.
        place = os.environ.get(f"MEDPERF_{name.upper()}", f"{ROOT}/{default}")
        task.add_argument(f"--{name}", type=Path, default=Path(place))
    return parser.parse_args(arguments)


def _say(line: str) -> None:
    # Progress is read while the container runs, so no line waits in a buffer.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _say_failures(outcomes: Sequence[Any]) -> None:
    reasons = Counter(each.reason for each in outcomes if isinstance(each, Failure))
    for reason, count in sorted(reasons.items()):
        _say(f"{count} of {len(outcomes)} cases failed: {reason}")
