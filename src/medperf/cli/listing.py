"""The verbs that most nouns share, made from a description of the noun: ls, show, and its acts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from medperf.cli.asking import confirm
from medperf.cli.command import Noun, Verb, wants_json
from medperf.cli.connection import connected, find, find_number
from medperf.cli.output import note, show_done, show_record, show_rows
from medperf.cli.tables import Column
from medperf.domain.lifecycle import Lifecycle

if TYPE_CHECKING:
    from medperf.client.transport import Transport

DEFAULT_LIMIT = 100
"""How many rows of a list people are shown; programs get all of them unless they set a limit."""
LIMIT: Mapping[str, Any] = {
    "type": click.IntRange(min=1),
    "show_default": f"{DEFAULT_LIMIT}, all with --json",
    "help": "At most this many: the newest, which come last.",
}
"""``--limit`` of a list."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter of a list: ``--option`` becomes the ``key`` that the API knows.

    ``names`` is the path of the things whose name may stand for their number.
    """

    option: str
    key: str
    help: str
    choices: Sequence[str] = ()
    names: str = ""
    is_flag: bool = False

    def parameter(self) -> click.Option:
        """The option of the ``ls`` command."""
        if self.is_flag:
            return click.Option([f"--{self.option}", self.key], is_flag=True, help=self.help)
        kind = click.Choice(self.choices) if self.choices else click.STRING
        metavar = None if self.choices else ("NUMBER|NAME" if self.names else "TEXT")
        return click.Option(
            [f"--{self.option}", self.key], type=kind, metavar=metavar, help=self.help
        )


def state_filter(lifecycle: Lifecycle) -> Filter:
    """``--state`` with the states of the noun's lifecycle."""
    return Filter("state", "state", "Only those in this state.", choices=lifecycle.states)


NAME = Filter("name", "name", "Only those of this name.")
MINE = Filter("mine", "mine", "Only those of your organization.", is_flag=True)
ORGANIZATION = Filter(
    "organization", "organization_id", "Only those of this organization.", names="organizations"
)
BENCHMARK = Filter("benchmark", "benchmark_id", "Only those of this benchmark.", names="benchmarks")
MODEL = Filter("model", "model_id", "Only those of this model.", names="models")
DATASET = Filter("dataset", "dataset_id", "Only those of this dataset.", names="datasets")
SITE = Filter("site", "site_id", "Only those of this site.", names="sites")


@dataclass(frozen=True, slots=True)
class Description:
    """What the shared verbs need to know of a noun. ``path`` is its route."""

    noun: str
    path: str
    columns: Sequence[Column]
    filters: Sequence[Filter]
    empty: str
    has_name: bool = True

    @property
    def reference(self) -> str:
        """How the help writes which one is meant."""
        return "NUMBER|NAME" if self.has_name else "NUMBER"


Instead = Callable[[dict[str, Any]], bool]
"""Told what was given to ``ls``; answers whether it listed something else itself."""


def add_ls(
    group: Noun,
    described: Description,
    example: str,
    *,
    options: Sequence[click.Option] = (),
    instead: Instead = lambda _: False,
) -> None:
    """Give the noun an ``ls`` with its filters, and options of its own."""

    def ls(limit: int | None, **given: Any) -> None:
        from medperf.client.paging import newest

        if instead(given):
            return

        with connected() as transport:
            filters = _filters(transport, described.filters, given)
            most = limit_of(limit)
            found, has_older = newest(transport, described.path, limit=most, **filters)
        show_rows(found, described.columns, _empty(described, filters))
        if has_older:
            note(f"These are the newest {most}; see older ones with --limit or a filter.")

    group.add_command(
        Verb(
            "ls",
            callback=ls,
            params=[
                *options,
                *(one.parameter() for one in described.filters),
                click.Option(["--limit"], **LIMIT),
            ],
            help=f"List the server's {described.path.replace('-', ' ')}.",
            example=example,
        )
    )


def limit_of(given: int | None) -> int | None:
    """How many rows are wanted at most; none where there is no limit."""
    return DEFAULT_LIMIT if given is None and not wants_json() else given


def add_show(
    group: Noun,
    described: Description,
    example: str,
    show: Callable[[Mapping[str, Any]], None] = show_record,
) -> None:
    """Give the noun a ``show`` that says everything known of one."""

    def show_one(reference: str) -> None:
        with connected() as transport:
            record = find(transport, described.path, reference)
        show(record)

    group.add_command(
        Verb(
            "show",
            callback=show_one,
            params=[_reference(described)],
            help=f"Show everything you may see of one {described.noun}.",
            example=example,
        )
    )


@dataclass(frozen=True, slots=True)
class Act:
    """One act of a noun's lifecycle as a verb. A ``final`` one asks before it is done."""

    action: str
    help: str
    then: str = ""
    final: str = ""


def add_acts(group: Noun, described: Description, acts: Sequence[Act]) -> None:
    """Give the noun one verb for each act."""
    for act in acts:
        group.add_command(_act_verb(described, act))


def _act_verb(described: Description, act: Act) -> Verb:
    def perform(reference: str, reason: str, yes: bool = False) -> None:
        with connected() as transport:
            number = find_number(transport, described.path, reference)
            if act.final:
                confirm(f"{act.action} {described.noun} {number}? {act.final}", yes=yes)
            record = perform_act(transport, described, number, act.action, reason)
        show_done(f"{described.noun} {number} is {record['state']}.", record, act.then)

    parameters: list[click.Parameter] = [
        _reference(described),
        click.Option(["--reason"], default="", help="Why; the other side can read it."),
    ]
    if act.final:
        parameters.append(click.Option(["--yes"], is_flag=True, help="Do not ask."))
    example = f"medperf {described.noun} {act.action} 3"
    if act.final:
        example += ' --reason "superseded" --yes'
    return Verb(act.action, callback=perform, params=parameters, help=act.help, example=example)


def perform_act(
    transport: "Transport", described: Description, number: int, action: str, reason: str
) -> dict[str, Any]:
    """Do an act of a lifecycle, signed with the person's own key where they have one here."""
    from medperf.cli.own_key import signed_act

    body: dict[str, Any] = {"reason": reason}
    statement = signed_act(transport, described.noun, number, action, reason)
    if statement is not None:
        body["statement"] = statement
    done: dict[str, Any] = transport.post(f"/api/v1/{described.path}/{number}/{action}", body)
    return done


def _reference(described: Description) -> click.Argument:
    return click.Argument(["reference"], metavar=described.reference)


def _filters(transport: Any, filters: Sequence[Filter], given: Mapping[str, Any]) -> dict[str, Any]:
    answered: dict[str, Any] = {}
    for one in filters:
        value = given[one.key]
        if value is None or value is False:
            continue
        if one.names:
            value = find_number(transport, one.names, value)
        answered[one.key] = "true" if value is True else value
    return answered


def _empty(described: Description, filters: Mapping[str, Any]) -> str:
    if filters:
        return f"No {described.path.replace('-', ' ')} match these filters."
    return described.empty
