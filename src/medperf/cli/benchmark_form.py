"""A benchmark as its committee writes it down: one readable YAML file that becomes a form.

Names stand for numbers, ``analysis_plan`` may name another file, and the demo dataset's digest is
worked out. Every fault names its file and line.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from medperf.cli.documents import Document, Place, read_document
from medperf.cli.hosted import address_of, digest_at
from medperf.domain.benchmarks import AnalysisPlan, BenchmarkForm
from medperf.domain.errors import MalformedFileError, MedPerfError

T = TypeVar("T", bound=BaseModel)
Find = Callable[[str, str], int]
"""Path of a noun and the number or name of a thing, to its number."""

REFERENCES = {
    "preparator": ("preparator_id", "containers"),
    "evaluator": ("evaluator_id", "containers"),
    "reference_model": ("reference_model_id", "models"),
    "supersedes": ("supersedes_id", "benchmarks"),
}
PLAIN = (
    "name",
    "clinical_task",
    "description",
    "demo_dataset",
    "analysis_plan",
    "release_policy",
    "association_policy",
    "result_auto_approval",
)
KEYS = (*PLAIN, *REFERENCES)
HINT = "An example is in the tutorial for benchmark committees, docs/tutorials."


def read_benchmark(path: Path, find: Find) -> BenchmarkForm:
    """Read a benchmark file.

    Args:
        path: the file; paths inside it start from its folder.
        find: looks things up by name.

    Raises:
        MalformedFileError: with one line for each fault.
    """
    return form_from(read_document(path), find)


def form_from(document: Document, find: Find) -> BenchmarkForm:
    """Make the form from a document; see `read_benchmark`."""
    if not isinstance(document.data, dict):
        raise MalformedFileError(f"{document.path.name}: expected 'name: value' lines", hint=HINT)
    faults = list(_unknown(document))
    values: dict[str, Any] = {}
    for key, given in document.data.items():
        if key not in KEYS:
            continue
        try:
            name, value = _translated(document, key, given, find)
            values[name] = value
        except MedPerfError as error:
            own = isinstance(error, MalformedFileError)
            faults.append(error.detail if own else document.fault((key,), error.detail))
    faults += [document.fault((key,), "is missing") for key in _missing(document)]
    if faults:
        raise MalformedFileError("\n".join(faults), hint=HINT)
    return _validated(BenchmarkForm, values, document, _names_in_file)


def read_plan(path: Path) -> AnalysisPlan:
    """Read an analysis plan.

    Raises:
        MalformedFileError: with one line for each fault.
    """
    document = read_document(path)
    return _validated(AnalysisPlan, document.data, document, lambda place: place)


def _translated(document: Document, key: str, given: Any, find: Find) -> tuple[str, Any]:
    beside = document.path.parent
    if key in REFERENCES:
        field, path = REFERENCES[key]
        return field, find(path, str(given))
    if key == "analysis_plan" and isinstance(given, str):
        return key, read_plan(beside / given)
    if key == "demo_dataset":
        return key, _demo_dataset(document, given)
    if key == "association_policy":
        return key, _association_policy(document, given, find)
    return key, given


def _demo_dataset(document: Document, given: Any) -> dict[str, str]:
    said = {"url": given} if isinstance(given, str) else given
    if not isinstance(said, Mapping) or not isinstance(said.get("url"), str):
        raise document.refuse(("demo_dataset",), "write its url, or url and digest")
    if unknown := set(said) - {"url", "digest"}:
        raise document.refuse(("demo_dataset",), f"has no {', '.join(map(str, unknown))}")
    address = address_of(said["url"], beside=document.path.parent)
    return {"url": address, "digest": digest_at(address, said.get("digest"))}


def _association_policy(document: Document, given: Any, find: Find) -> str:
    """A file of Cedar, or a list of templates, each with the values of its fields."""
    from medperf.cli.policy_options import demand_valid, read_text
    from medperf.policy.actions import Scope
    from medperf.policy.templates import Choice, compose

    place = ("association_policy",)
    if isinstance(given, str):
        text = read_text(document.path.parent / given)
        demand_valid(text, given, Scope.SERVER)
        return text
    if not isinstance(given, list) or not all(
        isinstance(each, Mapping) and isinstance(each.get("template"), str) for each in given
    ):
        raise document.refuse(place, "name a file of rules, or list templates (template: NAME)")
    choices = []
    for each in given:
        values = {str(name): value for name, value in each.items() if name != "template"}
        if "organizations" in values:
            listed = values["organizations"]
            names = listed if isinstance(listed, list) else [listed]
            values["organizations"] = [find("organizations", str(name)) for name in names]
        choices.append(Choice(each["template"], values))
    return compose(choices, scope=Scope.SERVER)


def _unknown(document: Document) -> Iterator[str]:
    for key in document.data:
        if key not in KEYS:
            yield document.fault((str(key),), f"is not known; known are {', '.join(KEYS)}")


def _missing(document: Document) -> Iterator[str]:
    optional = {
        "description",
        "supersedes",
        "release_policy",
        "association_policy",
        "result_auto_approval",
    }
    needed = set(KEYS) - optional
    return (key for key in KEYS if key in needed and key not in document.data)


def _names_in_file(place: Place) -> Place:
    back = {field: key for key, (field, _) in REFERENCES.items()}
    return tuple(back.get(str(step), step) for step in place)


def _validated(
    form: type[T], values: Any, document: Document, place_of: Callable[[Place], Place]
) -> T:
    try:
        return form.model_validate(values)
    except ValidationError as error:
        faults = [
            document.fault(place_of(fault["loc"]), _said(fault["type"], fault["msg"]))
            for fault in error.errors()
        ]
        raise MalformedFileError("\n".join(faults), hint=HINT) from None


def _said(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "is not known here"
    return message.removeprefix("Value error, ")
