"""A root of its own: the step sees the files it was given and nothing else of the machine.

One user, mount, process, network, IPC and host-name namespace per step. The steps follow
``pivot_root(2)``: an empty ``tmpfs`` becomes the root, the host's tree hangs below it for a moment
so that parts of it can be bound read-only into the new root, and is then let go.
"""

import fcntl
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

from medperf.runners.launcher import kernel
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
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
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
    with suppress(OSError):
        _write("/proc/sys/user/max_user_namespaces", "0")


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
        Path(orders.scratch + name).mkdir()
    kernel.mount("tmpfs", orders.scratch + _NEW, "tmpfs", kernel.MS_NOSUID, "size=16m,mode=0755")
    kernel.pivot_root(orders.scratch, orders.scratch + _OLD)
    os.chdir("/")
    for path, target in orders.links:
        _parent_of(path)
        Path(_NEW + path).symlink_to(target)
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
    _loopback_up()


def become_nobody() -> None:
    """Become the step's user, without any capability."""
    kernel.forbid_capabilities()
    if os.geteuid() != INSIDE:
        os.setresgid(INSIDE, INSIDE, INSIDE)
        os.setresuid(INSIDE, INSIDE, INSIDE)
    kernel.drop_capabilities()


def _bind(bind: Bind) -> None:
    source, target = _OLD + bind.source, _NEW + bind.target
    _target(bind.target, is_folder=Path(source).is_dir())
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
        Path(_NEW, "dev", name).symlink_to(f"/proc/self/{target}")
    _tmpfs("/dev/shm", orders.shm_bytes)  # noqa: S108  # the step's own


def _process_folder() -> None:
    _target("/proc", is_folder=True)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC | kernel.MS_RDONLY
    # Refused inside a container with a masked /proc; the folder stays empty then, nothing leaks.
    with suppress(PermissionError):
        kernel.mount("proc", _NEW + "/proc", "proc", flags)


def _tmpfs(target: str, size_bytes: int) -> None:
    _target(target, is_folder=True)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("tmpfs", _NEW + target, "tmpfs", flags, f"size={size_bytes},mode=1777")


def _names() -> None:
    """Give the step's user a name, as programs expect."""
    etc = Path(_NEW + "/etc")
    etc.mkdir(exist_ok=True)
    (etc / "passwd").write_text(f"step:x:{INSIDE}:{INSIDE}:step:/tmp:/bin/sh\n")
    (etc / "group").write_text(f"step:x:{INSIDE}:\n")
    (etc / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    socket.sethostname("step")


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anything:
        fcntl.ioctl(anything, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


def _target(path: str, *, is_folder: bool) -> None:
    """Create what a mount will cover; inside an earlier mount it must be there already."""
    place = Path(_NEW + path)
    if place.exists():
        return
    if is_folder:
        place.mkdir(parents=True)
    else:
        _parent_of(path)
        place.touch()


def _parent_of(path: str) -> None:
    Path(_NEW + path).parent.mkdir(parents=True, exist_ok=True)


def _write(path: str, text: str) -> None:
    Path(path).write_text(text, encoding="ascii")
