"""``medperf site``: the agent beside the data, and what its people decide."""

import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from medperf.cli import listing, site_key
from medperf.cli.asking import answer, confirm, on_terminal
from medperf.cli.at_site import folder_option, opened, person_options, require_folder
from medperf.cli.command import Noun, wants_json
from medperf.cli.output import note, show_done, show_record, show_rows, write, write_json
from medperf.cli.tables import Column
from medperf.domain.errors import InvalidRequestError, StoreLockedError

if TYPE_CHECKING:
    from medperf.site.review import InboxItem


DESCRIBED = listing.Description(
    noun="site",
    path="sites",
    columns=(
        Column("id", "id"),
        Column("name", "name"),
        Column("organization", "organization_id"),
        Column("keys", value=lambda row: len(row.get("keys", ()))),
        Column("enrolled", "created_at"),
        Column("last seen", "last_seen_at"),
    ),
    filters=(listing.ORGANIZATION,),
    empty="No site is enrolled yet. Next: medperf invitation issue --kind site --help",
)


@click.group(cls=Noun)
def command() -> None:
    """The agent beside the data. It calls out and opens no port; people here decide what leaves."""


command.add_command(site_key.command, "key")
listing.add_ls(command, DESCRIBED, "medperf site ls\nmedperf site ls --organization 2")


@command.command(
    example="""
    medperf site init --folder /srv/medperf --server https://medperf.example.org \
--invitation - --name "Hospital A" < token.txt
    medperf site init --air-gapped --log-key medperf-log-...+1a2b3c4d+AZ... \
--server https://medperf.example.org --invitation - --name "Hospital A" < token.txt
    """
)
@folder_option
@click.option("--server", required=True, metavar="URL", help="The server's address.")
@click.option("--invitation", metavar="TOKEN", help="The one-time token; - reads standard input.")
@click.option("--name", required=True, help="What the site is called.")
@click.option("--air-gapped", is_flag=True, help="No network is here: a courier carries bundles.")
@click.option("--log-key", metavar="KEY", help="Air-gapped: what 'medperf log key' shows.")
def init(
    folder: str | None,
    server: str,
    invitation: str | None,
    name: str,
    air_gapped: bool,
    log_key: str | None,
) -> None:
    """Make a site's folder with its own key, and enroll it at a server."""
    from medperf.cli.profiles import check_server_address
    from medperf.site.enrollment import Enrolling, ask_to_enroll, enroll

    place = require_folder(folder)
    address = check_server_address(server)
    if air_gapped and log_key is None:
        raise click.UsageError("--air-gapped needs --log-key: nothing else shows who answers.")
    token = answer("Invitation token", invitation, flag="--invitation", hide=True)
    if air_gapped:
        ask_to_enroll(place, Enrolling(address.rstrip("/"), log_key or "", token, name))
        show_done(
            f"{place} asks to be a site of {address}; the request waits for a courier.",
            {"folder": str(place.absolute()), "server": address, "name": name},
            "medperf bundle results FILE",
        )
        return
    settings = enroll(place, server=address, invitation=token, name=name)
    show_done(
        f"{place} is site {settings.site_id}, {settings.name}, at {settings.server}.",
        {"folder": str(place.absolute()), **settings.model_dump(mode="json")},
        "medperf dataset prepare --help, then medperf site start",
    )


@command.command(example="medperf site trust medperf-log-...+1a2b3c4d+AZ... --yes")
@click.argument("key", metavar="KEY")
@click.option("--yes", is_flag=True, help="Do not ask.")
@folder_option
def trust(key: str, yes: bool, folder: str | None) -> None:
    """Trust the server's next key after its former one was revoked; restart the agent then.

    Only after you compared the key with the operator or another member, by a way that whoever has
    the old key cannot use. A key that was merely rotated is followed without this.
    """
    from medperf.site.trust import trust_log_key

    place = require_folder(folder)
    confirm(f"trust {key}? Did you compare it?", yes=yes)
    trust_log_key(place, key)
    show_done(f"the site trusts {key}.", {"log_key": key}, "medperf site start")


@command.command(example="medperf site start\nmedperf site start --once")
@folder_option
@click.option("--once", is_flag=True, help="Do what can be done now, then stop.")
def start(folder: str | None, once: bool) -> None:
    """Run the agent until it is stopped (Ctrl-C or SIGTERM); its log goes to stderr.

    Killed at any point, the next start carries on: nothing runs twice and nothing is lost.
    """
    from medperf.site.agent import stop_on_signals

    with opened(folder) as site:
        agent = site.agent()
        if once:
            agent.settle()
        else:
            stop = threading.Event()
            with stop_on_signals(stop):
                agent.run(stop)
        counts = dict(site.jobs.counts())
    if once:
        show_record({"jobs": counts} if wants_json() else counts or {"jobs": "none"})


@command.command(name="run-bundle", example="medperf site run-bundle to-site.zip")
@click.argument("file", type=click.Path(path_type=Path))
@folder_option
def run_bundle(file: Path, folder: str | None) -> None:
    """Take in a work bundle and do all that it makes possible. Opens no network.

    The site's own policy, gate, people and ledger decide as ever; what leaves waits in the outbox
    for 'medperf bundle results'.
    """
    from medperf.site.enrollment import take_in_enrolling
    from medperf.site.folder import SiteFolder

    place = SiteFolder(require_folder(folder).absolute())
    taken = None
    if not place.settings.exists():
        taken, _ = take_in_enrolling(place, file)
    with opened(folder) as site:
        if not site.settings.air_gapped:
            raise InvalidRequestError(
                f"{site.settings.name!r} has a network",
                hint="Run 'medperf site set air_gapped=true' if it has none any more.",
            )
        taken = taken or site.take_in(file)
        try:
            site.agent().settle()
        except StoreLockedError:
            note("The running agent takes it from here.")
        counts, waiting = dict(site.jobs.counts()), len(site.mailbox.outgoing())
    for sentence in taken.absent:
        note(f"Not carried: {sentence}")
    show_done(
        f"Taken in: {taken.n_answers} answers, {taken.n_awaited} more that were awaited,"
        f" {taken.n_files} files. Jobs: {_told(counts)}. {waiting} requests wait for a courier.",
        {**asdict(taken), "jobs": counts, "n_outgoing": waiting},
        "medperf bundle results FILE" if waiting else "medperf site inbox",
    )


@command.command(example="medperf site status\nmedperf site status --json")
@click.option("--all", "is_all", is_flag=True, help="Show every job that is done, too.")
@folder_option
def status(folder: str | None, *, is_all: bool) -> None:
    """Say how the site is and what each job waits for; asks nothing of the server."""
    from medperf.cli.site_views import STATUS_COLUMNS, jobs_to_show, status_lines, status_record

    with opened(folder) as site:
        record = status_record(site)
    if wants_json():
        write_json(record)
        return
    write("\n".join(status_lines(record)))
    jobs = record["jobs"] if is_all else jobs_to_show(record["jobs"])
    show_rows(jobs, STATUS_COLUMNS, "No jobs yet: they follow an approved association.")
    if len(jobs) < len(record["jobs"]):
        note(f"{len(record['jobs']) - len(jobs)} older jobs are done: medperf site status --all")
    if record["n_waiting_for_person"]:
        write(f"Next: medperf site inbox ({record['n_waiting_for_person']} questions)")


@command.command(example="medperf site inbox\nmedperf site inbox 3 --json")
@click.argument("job", type=int, required=False)
@folder_option
def inbox(job: int | None, folder: str | None) -> None:
    """Show what waits for a person; for a release, the exact document that would leave.

    When several jobs wait they are listed; name one to see its question in full.
    """
    from medperf.cli.site_views import INBOX_COLUMNS, item_lines, item_record

    with opened(folder) as site:
        items = [site.review.item(job)] if job is not None else site.review.inbox()
    if wants_json():
        write_json([item_record(item) for item in items])
    elif not items:
        write("Nothing waits for a person.")
    elif len(items) > 1:
        show_rows([item_record(item) for item in items], INBOX_COLUMNS, "")
        note(f"See one in full: medperf site inbox {items[0].number}")
    else:
        write("\n".join(item_lines(items[0])))


@command.command(
    example="""
    medperf site approve 3
    medperf site approve 3 --role "data owner" --reason checked --yes
    """
)
@click.argument("job", type=int)
@person_options
@click.option("--reason", default="", help="Why; it stays at the site.")
@click.option("--digest", help="Approve only the document of this digest, as the inbox showed it.")
@click.option("--yes", is_flag=True, help="Do not show it and ask again.")
@folder_option
def approve(
    job: int,
    name_of_person: str | None,
    role: str | None,
    reason: str,
    digest: str | None,
    yes: bool,
    folder: str | None,
) -> None:
    """Let a model run here, or let a result leave: what 'inbox' shows, and nothing else."""
    _decide("approve", job, (name_of_person, role), reason, digest, folder, is_sure=yes)


@command.command(example='medperf site reject 3 --reason "cohort too small"')
@click.argument("job", type=int)
@person_options
@click.option("--reason", default="", help="Why; it stays at the site.")
@click.option("--digest", help="Reject only the document of this digest, as the inbox showed it.")
@folder_option
def reject(
    job: int,
    name_of_person: str | None,
    role: str | None,
    reason: str,
    digest: str | None,
    folder: str | None,
) -> None:
    """Refuse a run or a release; the server hears only that nothing will come."""
    _decide("reject", job, (name_of_person, role), reason, digest, folder, is_sure=True)


@command.command(example="medperf site retry 3")
@click.argument("job", type=int)
@person_options
@click.option("--reason", default="", help="Why; it stays at the site.")
@folder_option
def retry(
    job: int, name_of_person: str | None, role: str | None, reason: str, folder: str | None
) -> None:
    """Start a failed, withheld or rejected job again."""
    with opened(folder) as site:
        state = site.review.retry(job, site.person(name_of_person, role), reason=reason)
    show_done(f"job {job} is {state}.", {"job_id": job, "state": state})


@command.command(name="set", example="medperf site set workers=4 runner=podman")
@click.argument("settings", nargs=-1, required=True, metavar="SETTING=VALUE...")
@folder_option
def set_(settings: tuple[str, ...], folder: str | None) -> None:
    """Change settings in site.yaml; a running agent takes them up at once."""
    from medperf.site.folder import SiteFolder
    from medperf.site.settings import set_settings

    place = SiteFolder(require_folder(folder))
    place.require()
    changes = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"{text!r} is not SETTING=VALUE", param_hint="SETTING=VALUE")
        changes[key] = value
    changed = set_settings(place.settings, changes).model_dump(mode="json")
    said = ", ".join(f"{key} is {changed[key]}" for key in changes)
    show_done(f"{said}.", changed)


@command.command(example="medperf site ledger\nmedperf site ledger 4")
@click.argument("line", type=int, required=False)
@click.option("--limit", **listing.LIMIT)
@folder_option
def ledger(line: int | None, limit: int | None, folder: str | None) -> None:
    """List everything that ever left this site, and who let it go; with a number, show it."""
    from medperf.cli.site_views import LEDGER_COLUMNS, ledger_record

    with opened(folder) as site:
        lines = [ledger_record(one) for one in site.ledger.lines()]
    if line is None:
        most = listing.limit_of(limit) or len(lines)
        show_rows(lines[-most:], LEDGER_COLUMNS, "Nothing has left this site.")
        if len(lines) > most:
            note(f"These are the newest {most} of {len(lines)}; see older ones with --limit.")
        return
    found = [one for one in lines if one["number"] == line]
    if not found:
        raise click.BadParameter(f"the ledger has no line {line}", param_hint="LINE")
    show_record(found[0])


@command.command(example="medperf site prune --dry-run\nmedperf site prune")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@folder_option
def prune(dry_run: bool, folder: str | None) -> None:
    """Delete predictions, logs and values per case that nobody needs any more.

    keep_days and keep_bytes in site.yaml say for how long they stay; a running agent does this by
    itself. What a job still needs, or the server has not heard of, is never deleted, nor is the
    ledger.
    """
    with opened(folder) as site:
        gone = site.retention.plan() if dry_run else site.retention.prune()
    rows = [
        {"what": one.kind, "name": one.name, "since": one.since, "size_bytes": one.size_bytes}
        for one in gone
    ]
    columns = [Column(title, title) for title in ("what", "name", "since", "size_bytes")]
    show_rows(rows, columns, "Nothing is to be deleted.")


def _decide(
    action: str,
    job: int,
    who: tuple[str | None, str | None],
    reason: str,
    digest: str | None,
    folder: str | None,
    *,
    is_sure: bool,
) -> None:
    from medperf.cli.site_views import item_lines

    with opened(folder) as site:
        item = site.review.item(job)
        if not is_sure and on_terminal() and not wants_json():
            write("\n".join(item_lines(item)))
            confirm(_question(item), yes=False)
        decide = site.review.approve if action == "approve" else site.review.reject
        # What was shown binds the decision: anything else by now is refused.
        state = decide(job, site.person(*who), reason=reason, digest=digest or item.digest)
    record = {"job_id": job, "question": item.question, "digest": item.digest, "state": state}
    if state.startswith("waiting"):
        sentence = f"job {job}: what you said is kept; the policy wants others to decide, too."
        show_done(sentence, record)
        return
    outcome = "rejected" if state == "rejected" else "approved"
    show_done(f"job {job}: {item.question} {outcome}, it is {state}.", record)
    if outcome == "approved":
        note("A running agent takes it from here; else 'medperf site start'.")


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {state}" for state, number in counts.items()) or "none"


def _question(item: "InboxItem") -> str:
    if item.question == "run":
        return f"May {item.model} run on {item.dataset}?"
    return f"May exactly this document leave ({item.digest})?"
