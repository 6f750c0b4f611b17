# pathlib and contextlib take longer to import than a step takes to start.
# ruff: noqa: PTH102, PTH103, PTH110, PTH112, PTH120, PTH123, PTH211, SIM105
"""A root of its own: the step sees the files it was given and nothing else of the machine.

One user, mount, process, network, IPC and host-name namespace per step. The steps follow
``pivot_root(2)``: an empty ``tmpfs`` becomes the root, the host's tree hangs below it for a moment
so that parts of it can be bound read-only into the new root, and is then let go.
"""

from __future__ import annotations

import os

from medperf.runners.launcher import kernel

TYPE_CHECKING = False  # what `typing` says, without the time it takes to import
if TYPE_CHECKING:
    from medperf.runners.launcher.orders import Bind, Orders

INSIDE = 1000
"""The user and group number the step sees as its own."""

_NAMESPACES = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)
_OLD = "/old"
_NEW = "/new"


def enter(orders: Orders) -> None:
    """Move this process into new namespaces; its next child is process 1 of the new tree."""
    if os.geteuid() == orders.user:
        os_user, os_group = os.geteuid(), os.getegid()
        kernel.unshare(_NAMESPACES)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{INSIDE} {os_user} 1")
        _write("/proc/self/gid_map", f"{INSIDE} {os_group} 1")
    else:
        _enter_as_another(orders)
    # The step may not build namespaces of its own, where it would be powerful again. In some
    # containers /proc/sys is read-only; the step still has no capability there.
    try:
        _write("/proc/sys/user/max_user_namespaces", "0")
    except OSError:
        pass


def _enter_as_another(orders: Orders) -> None:
    """Root keeps its own number for reaching the files, and has one more to become."""
    os.setgroups([])
    ready, mapped = os.pipe(), os.pipe()
    target = os.getpid()
    helper = os.fork()
    if helper == 0:
        os.read(ready[0], 1)
        _write(f"/proc/{target}/uid_map", f"0 0 1\n{INSIDE} {orders.user} 1")
        _write(f"/proc/{target}/gid_map", f"0 0 1\n{INSIDE} {orders.group} 1")
        os.write(mapped[1], b".")
        os._exit(0)
    kernel.unshare(_NAMESPACES)
    os.close(mapped[1])
    os.write(ready[1], b".")
    answer = os.read(mapped[0], 1)
    os.waitpid(helper, 0)
    for descriptor in (*ready, mapped[0]):
        os.close(descriptor)
    if not answer:
        raise OSError("the user map was refused")


def furnish(orders: Orders) -> None:
    """Build the new root and make it the only one. Runs as process 1 of the new tree."""
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", orders.scratch, "tmpfs", kernel.MS_NOSUID, "size=64k,mode=0755")
    for name in (_OLD, _NEW):
        os.mkdir(orders.scratch + name)
    kernel.mount("tmpfs", orders.scratch + _NEW, "tmpfs", kernel.MS_NOSUID, "size=16m,mode=0755")
    kernel.pivot_root(orders.scratch, orders.scratch + _OLD)
    os.chdir("/")
    for path, target in orders.links:
        _parent_of(path)
        os.symlink(target, _NEW + path)
    _devices(orders)
    _process_folder()
    _tmpfs("/tmp", orders.tmp_bytes)  # noqa: S108  # the step's own
    # Shorter paths first, so that a mount inside another one is not hidden by it.
    for bind in sorted(orders.binds, key=lambda bind: bind.target.count("/")):
        _bind(bind)
    _names()
    kernel.detach(_OLD)
    kernel.restrict_mount(_NEW, kernel.MOUNT_ATTR_RDONLY, below=False)
    os.chdir(_NEW)
    kernel.pivot_root(".", ".")
    kernel.detach(".")
    os.chdir("/")
    kernel.loopback_up()


def become_nobody() -> None:
    """Become the step's user, without any capability."""
    kernel.forbid_capabilities()
    if os.geteuid() != INSIDE:
        os.setresgid(INSIDE, INSIDE, INSIDE)
        os.setresuid(INSIDE, INSIDE, INSIDE)
    kernel.drop_capabilities()


def _bind(bind: Bind) -> None:
    source, target = _OLD + bind.source, _NEW + bind.target
    _target(bind.target, is_folder=os.path.isdir(source))
    kernel.mount(source, target, "", kernel.MS_BIND | kernel.MS_REC)
    attributes = kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV
    kernel.restrict_mount(
        target, attributes if bind.writable else attributes | kernel.MOUNT_ATTR_RDONLY
    )


def _devices(orders: Orders) -> None:
    for device in orders.devices:
        _target(device, is_folder=False)
        kernel.mount(_OLD + device, _NEW + device, "", kernel.MS_BIND)
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(f"/proc/self/{target}", f"{_NEW}/dev/{name}")
    _tmpfs("/dev/shm", orders.shm_bytes)  # noqa: S108  # the step's own


def _process_folder() -> None:
    _target("/proc", is_folder=True)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC | kernel.MS_RDONLY
    # Refused inside a container with a masked /proc; the folder stays empty then, nothing leaks.
    try:
        kernel.mount("proc", _NEW + "/proc", "proc", flags)
    except PermissionError:
        pass


def _tmpfs(target: str, size_bytes: int) -> None:
    _target(target, is_folder=True)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("tmpfs", _NEW + target, "tmpfs", flags, f"size={size_bytes},mode=1777")


def _names() -> None:
    """Give the step's user a name, as programs expect."""
    etc = _NEW + "/etc"
    os.makedirs(etc, exist_ok=True)
    _write(etc + "/passwd", f"step:x:{INSIDE}:{INSIDE}:step:/tmp:/bin/sh\n")
    _write(etc + "/group", f"step:x:{INSIDE}:\n")
    _write(etc + "/hosts", "127.0.0.1 localhost\n::1 localhost\n")
    kernel.name_host("step")


def _target(path: str, *, is_folder: bool) -> None:
    """Create what a mount will cover; inside an earlier mount it must be there already."""
    place = _NEW + path
    if os.path.exists(place):
        return
    if is_folder:
        os.makedirs(place)
    else:
        _parent_of(path)
        _write(place, "")


def _parent_of(path: str) -> None:
    os.makedirs(os.path.dirname(_NEW + path), exist_ok=True)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
