"""A policy as the command line names it: a file of rules, or templates with what is filled in."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from medperf.domain.errors import InvalidRequestError, MalformedFileError, UnreadableFileError

if TYPE_CHECKING:
    from medperf.policy.actions import Scope
    from medperf.policy.catalog import Template

F = TypeVar("F", bound=Callable[..., Any])

_LISTS = frozenset({"organizations", "benchmarks", "texts"})
_WORDS = {"yes": True, "true": True, "no": False, "false": False}


def policy_options(function: F) -> F:
    """``--file``, ``--template`` and ``--with``: which policy is meant."""
    values = click.option(
        "--with",
        "values",
        multiple=True,
        metavar="NAME=VALUE",
        help="Fill in a field of the templates (TEMPLATE.NAME=VALUE where several have it).",
    )
    templates = click.option(
        "--template", "templates", multiple=True, metavar="NAME", help="Use this template."
    )
    file = click.option(
        "--file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Use the rules of this file.",
    )
    return file(templates(values(function)))


def benchmark_option(function: F) -> F:
    """``--benchmark``: not a site's policy but a benchmark's, about who takes part."""
    return click.option(
        "--benchmark",
        metavar="NUMBER|NAME",
        help="A benchmark's policy about who takes part, instead of a site's.",
    )(function)


def for_option(function: F) -> F:
    """``--for``: whose templates and facts."""
    return click.option(
        "--for",
        "whose",
        type=click.Choice(["site", "benchmark"]),
        default="site",
        show_default=True,
        help="Whose policy it is to be.",
    )(function)


def policy_text(
    file: Path | None,
    templates: tuple[str, ...],
    values: tuple[str, ...],
    scope: "Scope | None" = None,
) -> str:
    """The policy that the options name; of a site, unless another scope is given.

    Raises:
        InvalidRequestError: they name none, or two; a template or a field does not exist.
        UnreadableFileError: the file cannot be read.
    """
    if file is not None:
        if templates or values:
            raise InvalidRequestError("give --file or --template, not both")
        return read_text(file)
    if not templates:
        raise InvalidRequestError(
            "which policy? neither --file nor --template was given",
            hint="'medperf policy new --list' shows the templates.",
        )
    return composed(templates, values, scope)


def composed(
    templates: tuple[str, ...], values: tuple[str, ...], scope: "Scope | None" = None
) -> str:
    """The policy that templates make, with the values filled in.

    Raises:
        InvalidRequestError: a template or a field does not exist, or a value does not fit.
    """
    from medperf.policy.actions import Scope
    from medperf.policy.catalog import CATALOG
    from medperf.policy.templates import Choice, compose

    scope = scope or Scope.SITE
    catalog = CATALOG[scope]
    known = {name: catalog[name] for name in templates if name in catalog}
    filled: dict[str, dict[str, Any]] = {name: {} for name in templates}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidRequestError(f"{text!r} is not NAME=VALUE")
        template, field = _field(name, known)
        filled[template][field] = _value(known[template], field, value)
    return compose([Choice(name, filled[name]) for name in templates], scope=scope)


def read_text(file: Path) -> str:
    """The text of a policy's file.

    Raises:
        UnreadableFileError: it cannot be read as text.
    """
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"{file} cannot be read as text: {error}") from None


def demand_valid(text: str, name: str, scope: "Scope | None" = None) -> None:
    """Refuse a policy with faults, one line for each.

    Raises:
        MalformedFileError: it has faults.
    """
    from medperf.policy.actions import Scope
    from medperf.policy.decision import Policy

    faults = Policy(text, scope or Scope.SITE).faults
    if faults:
        said = "\n".join(f"{name}, {fault}" for fault in faults)
        raise MalformedFileError(said, hint="Nothing was changed. Correct the lines it names.")


def _field(name: str, templates: dict[str, "Template"]) -> tuple[str, str]:
    """Which field of which template a name means."""
    one, dot, field = name.partition(".")
    field = field if dot else name
    having = [
        template.name
        for template in templates.values()
        if (not dot or template.name == one) and any(p.name == field for p in template.parameters)
    ]
    if len(having) == 1:
        return having[0], field
    if having:
        which = ", ".join(f"{template}.{field}" for template in having)
        raise InvalidRequestError(f"{field} is a field of several templates: {which}")
    known = [f"{t.name}.{p.name}" for t in templates.values() for p in t.parameters]
    raise InvalidRequestError(
        f"none of the templates has a field {name!r}; fields: {', '.join(known) or 'none'}"
    )


def _value(template: "Template", field: str, text: str) -> Any:
    kind = next(p.kind.value for p in template.parameters if p.name == field)
    if kind in _LISTS:
        return [entry.strip() for entry in text.split(",")]
    return _WORDS.get(text.lower(), text) if kind == "flag" else text
