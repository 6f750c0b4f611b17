"""The few system calls that Python has no function for, through the C library."""

import ctypes
import os
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

MOUNT_ATTR_RDONLY = 1
MOUNT_ATTR_NOSUID = 2
MOUNT_ATTR_NODEV = 4
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_SYS_MOUNT_SETATTR = 442  # the same number on every architecture since Linux 5.12

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_LAST_CAPABILITY = 40
_CAPABILITY_VERSION_3 = 0x20080522
SIGKILL, SIGPIPE, SIGXFSZ = 9, 13, 25

_AF_INET, _SOCK_DGRAM = 2, 2
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> int:
    """Turn a C library's -1 into an ``OSError`` that says what was tried."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(what: str, number: int, *arguments: object) -> int:
    """Make a system call by number."""
    return check(libc.syscall(ctypes.c_long(number), *arguments), what)


def unshare(flags: int) -> None:
    """Leave the named namespaces for new ones."""
    check(libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """``mount(2)``."""
    check(
        libc.mount(
            os.fsencode(source),
            os.fsencode(target),
            kind.encode(),
            ctypes.c_ulong(flags),
            data.encode(),
        ),
        f"mount {target}",
    )


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def restrict_mount(target: str, attributes: int, *, below: bool = True) -> None:
    """Add attributes (such as read-only) to a mount and, if wanted, every mount below it."""
    wanted = _MountAttributes(attr_set=attributes)
    syscall(
        f"mount_setattr {target}",
        _SYS_MOUNT_SETATTR,
        ctypes.c_int(_AT_FDCWD),
        os.fsencode(target),
        ctypes.c_uint(_AT_RECURSIVE if below else 0),
        ctypes.byref(wanted),
        ctypes.c_size_t(ctypes.sizeof(wanted)),
    )


def pivot_root(new_root: str, put_old: str) -> None:
    """Make ``new_root`` the root of this mount namespace."""
    check(libc.pivot_root(os.fsencode(new_root), os.fsencode(put_old)), "pivot_root")


def detach(target: str) -> None:
    """Unmount ``target`` now, whoever still uses it."""
    check(libc.umount2(os.fsencode(target), ctypes.c_int(MNT_DETACH)), f"unmount {target}")


def name_host(name: str) -> None:
    """``sethostname(2)``."""
    check(libc.sethostname(name.encode(), ctypes.c_size_t(len(name))), "sethostname")


def loopback_up() -> None:
    """Switch on this network namespace's loopback, its only interface."""
    anything = check(libc.socket(_AF_INET, _SOCK_DGRAM, 0), "socket")
    try:
        request = ctypes.create_string_buffer(struct.pack("16sH14x", b"lo", _IFF_UP))
        check(libc.ioctl(anything, ctypes.c_ulong(_SIOCSIFFLAGS), request), "loopback")
    finally:
        os.close(anything)


def default_signal(number: int) -> None:
    """Have a signal do what the system does with it; Python ignores some."""
    libc.signal(ctypes.c_int(number), ctypes.c_void_p(0))


def _prctl(option: int, argument: int) -> None:
    zero = ctypes.c_ulong(0)
    check(libc.prctl(option, ctypes.c_ulong(argument), zero, zero, zero), f"prctl {option}")


def die_with_parent() -> None:
    """Have this process killed when its parent dies (cleared whenever the user changes)."""
    _prctl(_PR_SET_PDEATHSIG, SIGKILL)


def adopt_orphans() -> None:
    """Have descendants whose parent ended become children of this process."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def no_new_privileges() -> None:
    """Make set-user-ID programs ordinary ones, for good."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def unreadable() -> None:
    """Keep other processes of the same user from looking into this one or steering it."""
    _prctl(_PR_SET_DUMPABLE, 0)


def forbid_capabilities() -> None:
    """Give up the right to get a capability back, while this process may still do so."""
    for capability in range(_LAST_CAPABILITY + 1):
        if libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) < 0:
            break  # not ours to give up: we hold none


def drop_capabilities() -> None:
    """Give up every capability."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    check(libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)())), "capset")
