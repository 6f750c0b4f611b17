"""``medperf container``: preparators, models and evaluators as containers."""

from pathlib import Path

import click

from medperf.cli import listing
from medperf.cli.command import Noun, wants_json
from medperf.cli.output import note, show_done, show_record, write, write_json
from medperf.cli.tables import Column
from medperf.domain.lifecycle import CONTAINER

ROLES = ("preparator", "model", "evaluator", "trainer")
KINDS = ("preparator", "model", "evaluator")

DESCRIBED = listing.Description(
    noun="container",
    path="containers",
    columns=(
        Column("id", "id"),
        Column("name", "name"),
        Column("version", "version"),
        Column("role", "role"),
        Column("state", "state"),
        Column("organization", "organization_id"),
        Column("type", value=lambda row: row.get("config", {}).get("container_type")),
        Column("registered", "created_at"),
    ),
    filters=(
        listing.Filter("role", "role", "Only those of this role.", choices=ROLES),
        listing.state_filter(CONTAINER),
        listing.NAME,
        listing.ORGANIZATION,
        listing.MINE,
    ),
    empty="No containers yet. Next: medperf container new --help",
)

_PATH = click.Path(path_type=Path)
_ROLE = click.Choice(ROLES)


@click.group(cls=Noun)
def command() -> None:
    """Preparators, models and evaluators: the programs that travel to the data."""


listing.add_ls(
    command, DESCRIBED, "medperf container ls --role model\nmedperf container ls --mine --json"
)
listing.add_show(command, DESCRIBED, "medperf container show 3")


@command.command(example="medperf container new model my-model")
@click.argument("role", type=click.Choice(KINDS))
@click.argument("folder", type=_PATH)
def new(role: str, folder: Path) -> None:
    """Write a small working container to start from."""
    from medperf.components.starters import write_starter

    write_starter(role, folder)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    show_done(
        f"{folder} holds a working {role}: {', '.join(files)}.",
        {"role": role, "folder": str(folder), "files": files},
        f"medperf container check {folder} --role {role}",
    )


@command.command(example="medperf container check my-model --role model")
@click.argument("path", type=_PATH)
@click.option("--role", type=_ROLE, help="Check that the tasks of this role are there, too.")
def check(path: Path, role: str | None) -> None:
    """Explain every fault of a container's config, with line and remedy."""
    from medperf.cli.container_files import config_file_of
    from medperf.domain.containers import Role
    from medperf.domain.errors import ContainerConfigError
    from medperf.runners import config_file

    file = config_file_of(path)
    faults = config_file.check(file, Role(role) if role else None)
    if faults:
        told = f"{len(faults)} faults" if len(faults) > 1 else "a fault"
        raise ContainerConfigError(
            "\n".join([f"{file} has {told}", *(f"  {fault}" for fault in faults)]),
            hint="Correct the lines named above and check again.",
            faults=[fault.model_dump(mode="json") for fault in faults],
        )
    config = config_file.load(file)
    if config.container_type.is_encrypted:
        note(f"No site runs an {config.container_type} yet: nothing releases its key.")
    tasks = list(config.tasks)
    show_done(
        f"{file} keeps the container contract; tasks: {', '.join(tasks)}.",
        {"file": str(file), "faults": [], "tasks": tasks},
    )


@command.command(
    name="run",
    example="""
    medperf container run my-model infer --input data_path=data --output output_path=predictions
    """,
)
@click.argument("path", type=_PATH)
@click.argument("task")
@click.option("--input", "inputs", multiple=True, metavar="KEY=PATH", help="Mount this, read-only.")
@click.option("--output", "outputs", multiple=True, metavar="KEY=PATH", help="Mount this to write.")
@click.option("--parameters", type=_PATH, help="YAML file of parameters.")
@click.option("--additional-files", type=_PATH, help="Folder or archive of additional files.")
@click.option("--runner", help="docker, podman, apptainer or sandbox; else the strongest.")
@click.option("--timeout-s", type=click.FloatRange(min=0, min_open=True), help="Stop it after.")
@click.option("--log", type=_PATH, help="Keep the container's output in this file.")
@click.option("--allow-bare", is_flag=True, help="Run without isolation where there is none.")
def run_task(
    path: Path,
    task: str,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    parameters: Path | None,
    additional_files: Path | None,
    runner: str | None,
    timeout_s: float | None,
    log: Path | None,
    allow_bare: bool,
) -> None:
    """Try one task of a container on this machine, in isolation."""
    from medperf.cli.container_trial import Trial, try_task

    trial = Trial(
        path=path,
        task=task,
        inputs=_pairs(inputs, "--input"),
        outputs=_pairs(outputs, "--output"),
        parameters=parameters,
        additional_files=additional_files,
        runner=runner,
        timeout_s=timeout_s,
        log=log,
        allow_bare=allow_bare,
    )
    show_record(try_task(trial))


@command.command(example="medperf container pack my-model my-model.tar.gz")
@click.argument("folder", type=_PATH)
@click.argument("archive", type=_PATH, required=False)
def pack(folder: Path, archive: Path | None) -> None:
    """Pack a folder of code so that equal content gives equal bytes; prints the digest."""
    from medperf.cli.progress import waiting
    from medperf.runners import archives

    target = archive or folder.resolve().with_name(f"{folder.resolve().name}.tar.gz")
    with waiting(f"Packing {folder}"):
        digest = archives.pack(folder, target)
    if wants_json():
        write_json({"archive": str(target), "digest": digest})
    else:
        write(f"{target}\n{digest}")


@command.command(
    example="""
    medperf container register my-model --role model --name "my model"
    medperf container register my-model --role model --name "my model" \
--image https://example.org/my-model.tar.gz
    """
)
@click.argument("path", type=_PATH)
@click.option("--role", type=_ROLE, required=True, help="What it is for.")
@click.option("--name", required=True, help="Its name.")
@click.option("--parameters", type=_PATH, help="YAML file of parameters; they are registered.")
@click.option("--additional-files", metavar="URL|PATH", help="Archive of weights and the like.")
@click.option("--image", metavar="URL|PATH", help="Where sites get it, instead of what it says.")
@click.option("--image-digest", metavar="DIGEST", help="The image's digest, if it is known.")
@click.option("--supersedes", metavar="NUMBER|NAME", help="What this is a new version of.")
def register(
    path: Path,
    role: str,
    name: str,
    parameters: Path | None,
    additional_files: str | None,
    image: str | None,
    image_digest: str | None,
    supersedes: str | None,
) -> None:
    """Register a container of yours; it starts in development.

    A folder of code (SourceArchive) is packed, and what --image offers must be the same bytes. A
    local path can be used by sites on this machine only, and only where they allow it.
    """
    from medperf.cli.connection import client, find_number
    from medperf.cli.container_form import Offer, form_of

    offer = Offer(
        path=path,
        role=role,
        name=name,
        parameters=parameters,
        additional_files=additional_files,
        image=image,
        image_digest=image_digest,
    )
    form = form_of(offer)
    with client() as server:
        if supersedes:
            number = find_number(server.transport, "containers", supersedes)
            form = form.model_copy(update={"supersedes_id": number})
        container = server.containers.register(form)
    show_done(
        f"container {container.id} is registered ({container.state}), image {form.image_digest}.",
        container.model_dump(mode="json"),
        f"medperf container submit {container.id}",
    )


listing.add_acts(
    command,
    DESCRIBED,
    [
        listing.Act("submit", "Make a container operational; it does not change any more."),
        listing.Act(
            "withdraw", "Take a container back.", final="Nothing new may use it afterwards."
        ),
    ],
)


def _pairs(texts: tuple[str, ...], flag: str) -> dict[str, Path]:
    pairs = {}
    for text in texts:
        key, equals, path = text.partition("=")
        if not (key and equals and path):
            raise click.BadParameter(f"{text!r} is not KEY=PATH", param_hint=flag)
        pairs[key] = Path(path)
    return pairs
