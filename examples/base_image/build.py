"""Compose a small image with Python, without a daemon, a registry or root.

Debian's own packages are downloaded with ``apt-get download``, unpacked and written as the layers
of a ``docker save`` archive, which Docker, Podman and Apptainer can load. Equal packages give an
equal image, byte for byte. Maintainer scripts are not run: Python and its libraries need none.

    python examples/base_image/build.py --out base.tar
    python examples/base_image/build.py --out model.tar --requirements r.txt \\
        --add model_a=/opt/model --command python3 /opt/model/main.py

Needs a Debian or Ubuntu machine with its package lists (``apt-get update``).
"""

import argparse
import gzip
import hashlib
import io
import json
import lzma
import os
import re
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

ROOTS = ("python3-minimal", "libpython3-stdlib", "dash", "base-files", "libstdc++6")
NOT_NEEDED = frozenset(
    [
        "awk",
        "cdebconf",
        "debconf",
        "debconf-2.0",
        "dpkg",
        "install-info",
        "libdebconfclient0",
        "mailcap",
        "mawk",
        "media-types",
        "mime-support",
        "perl-base",
        "perl",
        "readline-common",
        "tar",
        "tzdata",
        "usrmerge",
        "usr-is-merged",
    ]
)
DROPPED = re.compile(r"^(usr/share/(doc/(?!.*/copyright$)|info|lintian|locale|man)|var/)")
PACKAGES_FOLDER = "/opt/python-packages"


def build(
    out: Path,
    *,
    debs: Path,
    requirements: Path | None = None,
    add: Mapping[str, Path] | None = None,
    entrypoint: Sequence[str] = (),
    command: Sequence[str] = ("python3",),
    environment: Mapping[str, str] | None = None,
    tag: str | None = None,
) -> str:
    """Write an image as a ``docker save`` archive and answer with its id.

    Args:
        out: the archive.
        debs: a folder that keeps the downloaded packages between builds.
        requirements: Python packages for a layer of their own.
        add: files or folders to put at a path of the image, in a last layer.
        entrypoint: what the image starts.
        command: its default arguments.
        environment: its variables.
        tag: the name under which an engine will show it; steps do not need one.
    """
    with TemporaryDirectory() as scratch:
        work = Path(scratch)
        base = _base_layer(debs)
        layers = [base]
        if requirements is not None:
            layers.append(_packages_layer(debs, requirements, base, work / "target"))
        if add:
            layers.append(_layer(work / "added", lambda tar: _add_all(tar, add)))
        variables = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "PYTHONPATH": PACKAGES_FOLDER,
            **(environment or {}),
        }
        config = {
            "architecture": _architecture(),
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "Env": [f"{name}={value}" for name, value in variables.items()],
                "Entrypoint": list(entrypoint) or None,
                "Cmd": list(command) or None,
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": [digest for _, digest in layers]},
            "history": [{"created": "1970-01-01T00:00:00Z"} for _ in layers],
        }
        return _save(out, config, [path for path, _ in layers], tag)


def _save(out: Path, config: object, layers: Sequence[Path], tag: str | None) -> str:
    text = json.dumps(config, sort_keys=True).encode()
    digest = hashlib.sha256(text).hexdigest()
    manifest = [
        {
            "Config": f"{digest}.json",
            "RepoTags": [tag] if tag else None,
            "Layers": [f"{number}.tar" for number in range(len(layers))],
        }
    ]
    partial = out.with_suffix(".partial")
    with tarfile.open(partial, "w") as tar:
        _add_bytes(tar, f"{digest}.json", text)
        for number, layer in enumerate(layers):
            entry = tarfile.TarInfo(f"{number}.tar")
            entry.size = layer.stat().st_size
            with layer.open("rb") as content:
                tar.addfile(entry, content)
        _add_bytes(tar, "manifest.json", json.dumps(manifest).encode())
    partial.replace(out)
    return f"sha256:{digest}"


def _layer(path: Path, fill: Callable[[tarfile.TarFile], None]) -> tuple[Path, str]:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        fill(tar)
    return path, _digest(path)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


# --- Debian packages ---


def _base_layer(folder: Path) -> tuple[Path, str]:
    """The layer with Python, made once per set of packages and kept beside them."""
    debs = _download(folder)
    names = "\n".join(deb.name for deb in debs)
    path = folder / f"layer-{hashlib.sha256(names.encode()).hexdigest()[:16]}.tar"
    if not path.exists():
        partial, _ = _layer(
            path.with_suffix(f".{os.getpid()}"), lambda tar: _add_packages(tar, debs)
        )
        partial.replace(path)
    return path, _digest(path)


def _download(folder: Path) -> list[Path]:
    """Fetch the packages that Python needs; what is there already is not fetched again."""
    folder.mkdir(parents=True, exist_ok=True)
    versions = _versions(sorted(_closure()))
    names = {name: f"{name}_{version.replace(':', '%3a')}_" for name, version in versions.items()}
    missing = [name for name, prefix in names.items() if not list(folder.glob(prefix + "*.deb"))]
    if missing:
        wanted = [f"{name}={versions[name]}" for name in missing]
        subprocess.run(
            ["apt-get", "-oAPT::Sandbox::User=root", "-qq", "download", *wanted],
            cwd=folder,
            check=True,
        )
    return [next(iter(folder.glob(prefix + "*.deb"))) for prefix in sorted(names.values())]


def _closure() -> set[str]:
    # One question about everything: every start of apt-cache takes a second.
    command = ["apt-cache", "depends", "--recurse", "--important", *ROOTS]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    needs: dict[str, set[str]] = {}
    package = ""
    for line in answer.splitlines():
        if not line.startswith((" ", "|")):
            package = line
        elif found := re.fullmatch(r" +(?:Pre)?Depends: ([a-z0-9][^\s:]*)", line):
            needs.setdefault(package, set()).add(found[1])
    closure: set[str] = set()
    wanted = set(ROOTS)
    while wanted:
        closure |= wanted
        named = set().union(*(needs.get(name, set()) for name in wanted))
        wanted = named - closure - NOT_NEEDED
    return closure


def _versions(names: Iterable[str]) -> dict[str, str]:
    answer = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", *names],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    packages = re.findall(
        r"^Package: (\S+)$(?:.*?)^Version: (\S+)$", answer, re.MULTILINE | re.DOTALL
    )
    return dict(packages)


def _architecture() -> str:
    answer = subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    )
    return answer.stdout.strip()


def _add_packages(tar: tarfile.TarFile, debs: Iterable[Path]) -> None:
    entries: dict[str, tuple[tarfile.TarInfo, bytes | None]] = {}
    for deb in debs:
        with _content(deb) as package:
            for entry in package:
                name = entry.name.removeprefix("./").rstrip("/")
                if not name or DROPPED.match(name):
                    continue
                stream = package.extractfile(entry) if entry.isreg() else None
                entry.name = name
                if entry.islnk():
                    entry.linkname = entry.linkname.removeprefix("./")
                entries.setdefault(name, (entry, stream.read() if stream else None))
    for name, target in (("usr/bin/python", "python3"), ("bin/sh", "dash")):
        if not any(entry.name.endswith(name) for entry, _ in entries.values()):
            entries[name] = (_entry(name, tarfile.SYMTYPE, 0o777, target), None)
    for name, mode in (("tmp", 0o1777), ("proc", 0o755), ("sys", 0o755), ("dev", 0o755)):
        entries[name] = (_entry(name, tarfile.DIRTYPE, mode), None)
    for name, text in (("etc/passwd", "root:x:0:0::/:/bin/sh\n"), ("etc/group", "root:x:0:\n")):
        entries[name] = (_entry(name, tarfile.REGTYPE, 0o644), text.encode())
    # Hard links last: they name a file that must be there already.
    for entry, data in sorted(entries.values(), key=lambda e: (e[0].islnk(), e[0].name)):
        _add(tar, entry, data)


def _content(deb: Path) -> tarfile.TarFile:
    """Open the file tree in a Debian package, which is an ``ar`` archive of three members."""
    data = deb.read_bytes()
    position = 8
    while position < len(data):
        name = data[position : position + 16].decode().strip().rstrip("/")
        size = int(data[position + 48 : position + 58])
        body = data[position + 60 : position + 60 + size]
        if name.startswith("data.tar"):
            return tarfile.open(fileobj=io.BytesIO(_decompress(name, body)))
        position += 60 + size + size % 2
    raise ValueError(f"{deb.name} is not a Debian package")


def _decompress(name: str, body: bytes) -> bytes:
    kind = name.rpartition(".")[2]
    if kind == "xz":
        return lzma.decompress(body)
    if kind == "gz":
        return gzip.decompress(body)
    if kind == "zst":
        program = ["zstd", "--decompress", "--stdout"]
        return subprocess.run(program, input=body, check=True, capture_output=True).stdout
    return body


# --- Python packages and added files ---


def _packages_layer(
    folder: Path, requirements: Path, base: tuple[Path, str], target: Path
) -> tuple[Path, str]:
    """The layer with Python packages, made once per base and requirements, kept like the base."""
    key = hashlib.sha256(base[1].encode() + requirements.read_bytes()).hexdigest()[:16]
    path = folder / f"packages-{key}.tar"
    if not path.exists():
        _install(requirements, target, _python_version(base[0]))
        partial, _ = _layer(
            path.with_suffix(f".{os.getpid()}"),
            lambda tar: _add_tree(tar, target, PACKAGES_FOLDER),
        )
        partial.replace(path)
    return path, _digest(path)


def _python_version(layer: Path) -> str:
    with tarfile.open(layer) as tar:
        for name in tar.getnames():
            if found := re.fullmatch(r"usr/bin/python(3\.\d+)", name):
                return found[1]
    raise ValueError("the base layer has no Python")


def _install(requirements: Path, target: Path, python_version: str) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    only = ["--only-binary", ":all:", "--no-compile", "--python-version", python_version]
    subprocess.run([*pip, *only, "--target", target, "-r", requirements], check=True)


def _add_all(tar: tarfile.TarFile, add: Mapping[str, Path]) -> None:
    for place, source in add.items():
        _add_tree(tar, source, place)


def _add_tree(tar: tarfile.TarFile, source: Path, place: str) -> None:
    root = place.strip("/")
    parts = root.split("/")
    for depth in range(1, len(parts)):
        _add(tar, _entry("/".join(parts[:depth]), tarfile.DIRTYPE, 0o755), None)
    for path in _sorted_tree(source):
        relative = path.relative_to(source).as_posix()
        name = root if relative == "." else f"{root}/{relative}"
        if path.is_dir():
            _add(tar, _entry(name, tarfile.DIRTYPE, 0o755), None)
        else:
            mode = 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
            _add(tar, _entry(name, tarfile.REGTYPE, mode), path.read_bytes())


def _sorted_tree(source: Path) -> Iterator[Path]:
    yield source
    if source.is_dir():
        yield from sorted(path for path in source.rglob("*") if "__pycache__" not in path.parts)


def _entry(name: str, kind: bytes, mode: int, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.linkname = kind, mode, target
    return entry


def _add(tar: tarfile.TarFile, entry: tarfile.TarInfo, data: bytes | None) -> None:
    entry.mtime = 0
    entry.pax_headers = {}
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.size = len(data) if data is not None else 0
    tar.addfile(entry, io.BytesIO(data) if data is not None else None)


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    _add(tar, _entry(name, tarfile.REGTYPE, 0o644), data)


def main() -> None:
    """Build one image from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--debs", type=Path, help="keep downloaded packages here")
    parser.add_argument("--requirements", type=Path)
    parser.add_argument("--add", action="append", default=[], metavar="SOURCE=/PATH")
    parser.add_argument("--tag")
    parser.add_argument("--command", nargs=argparse.REMAINDER, default=["python3"])
    given = parser.parse_args()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    add = {place: Path(source) for source, _, place in (text.partition("=") for text in given.add)}
    digest = build(
        given.out,
        debs=given.debs or cache / "medperf" / "debs",
        requirements=given.requirements,
        add=add,
        command=given.command,
        tag=given.tag,
    )
    print(digest)


if __name__ == "__main__":
    main()
