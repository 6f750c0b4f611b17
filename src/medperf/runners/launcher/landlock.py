# pathlib and contextlib take longer to import than a step takes to start.
# ruff: noqa: PTH112
"""Without namespaces: Landlock keeps files away, a seccomp filter keeps the network away.

Both need no privilege and cannot be taken off again. The step keeps the host's paths and sees the
host's process numbers, and Landlock does not hide that a file exists; so this is the second choice.
"""

from __future__ import annotations

import ctypes
import os
import struct

from medperf.runners.launcher import kernel

TYPE_CHECKING = False  # what `typing` says, without the time it takes to import
if TYPE_CHECKING:
    from medperf.runners.launcher.orders import Orders

_SYS_CREATE_RULESET, _SYS_ADD_RULE, _SYS_RESTRICT_SELF = 444, 445, 446
_VERSION_QUERY = 1
_RULE_PATH_BENEATH = 1

# linux/landlock.h: bit n is the n-th right; each kernel knows the first so many.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE = 1 << 14
_IOCTL_DEV = 1 << 15
_RIGHTS_OF_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_MAKE_DEVICES = (1 << 6) | (1 << 11)  # character and block devices: never
_NET_SINCE, _SCOPE_SINCE = 4, 6
_NET_ALL, _SCOPE_ALL = 3, 3

# linux/seccomp.h and linux/audit.h
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_ALLOW, _KILL, _DENY = 0x7FFF0000, 0x80000000, 0x00050000
_MACHINES = {"x86_64": (0xC000003E, 41, 53), "aarch64": (0xC00000B7, 198, 199)}
_X32 = 0x40000000
_IO_URING_SETUP = 425
_AF_UNIX = 1
_EPERM, _ENOSYS = 1, 38


def restrict(orders: Orders) -> dict[str, str]:
    """Lock this process in and answer with what is enforced now.

    Raises:
        OSError: the kernel has no Landlock, or the machine type is not known here.
    """
    version = kernel.syscall(
        "landlock", _SYS_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION_QUERY)
    )
    rights = (1 << _RIGHTS_OF_VERSION[min(version, max(_RIGHTS_OF_VERSION))]) - 1
    network = _NET_ALL if version >= _NET_SINCE else 0
    scope = _SCOPE_ALL if version >= _SCOPE_SINCE else 0
    sizes = struct.pack("QQQ", rights, network, scope)
    length = 24 if scope else 16 if network else 8
    rules = kernel.syscall(
        "landlock_create_ruleset",
        _SYS_CREATE_RULESET,
        ctypes.create_string_buffer(sizes[:length], length),
        ctypes.c_size_t(length),
        ctypes.c_uint(0),
    )
    look = _EXECUTE | _READ_FILE | _READ_DIR
    for bind in orders.binds:
        _allow(rules, bind.source, (rights & ~_MAKE_DEVICES if bind.writable else look) & rights)
    for device in orders.devices:
        _allow(rules, device, (_READ_FILE | _WRITE_FILE | _IOCTL_DEV) & rights)
    _allow(rules, orders.scratch, rights & ~_MAKE_DEVICES)
    kernel.no_new_privileges()
    kernel.syscall("landlock_restrict_self", _SYS_RESTRICT_SELF, ctypes.c_int(rules), 0)
    os.close(rules)
    _no_network()
    return {"filesystem": f"landlock {version}", "network": "none (seccomp)"}


def _allow(rules: int, path: str, rights: int) -> None:
    folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not os.path.isdir(path):
            rights &= _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, folder), 12)
        kernel.syscall(
            f"landlock_add_rule {path}",
            _SYS_ADD_RULE,
            ctypes.c_int(rules),
            ctypes.c_int(_RULE_PATH_BENEATH),
            rule,
            ctypes.c_uint(0),
        )
    finally:
        os.close(folder)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _no_network() -> None:
    """Refuse every socket that is not a local one, and the ring that could open one unseen."""
    machine = os.uname().machine
    if machine not in _MACHINES:
        raise OSError(f"no socket filter is known for {machine}")
    arch, socket_number, socketpair_number = _MACHINES[machine]
    load_arch, load_number, load_family = 4, 0, 16  # offsets in struct seccomp_data
    load, equal, at_least, answer = 0x20, 0x15, 0x35, 0x06
    instructions = [
        (load, 0, 0, load_arch),
        (equal, 1, 0, arch),
        (answer, 0, 0, _KILL),
        (load, 0, 0, load_number),
        (at_least, 0, 1, _X32),
        (answer, 0, 0, _DENY | _ENOSYS),
        (equal, 0, 1, _IO_URING_SETUP),
        (answer, 0, 0, _DENY | _ENOSYS),
        (equal, 2, 0, socket_number),
        (equal, 1, 0, socketpair_number),
        (answer, 0, 0, _ALLOW),
        (load, 0, 0, load_family),
        (equal, 1, 0, _AF_UNIX),
        (answer, 0, 0, _DENY | _EPERM),
        (answer, 0, 0, _ALLOW),
    ]
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(instructions), ctypes.addressof(buffer))
    kernel.check(
        kernel.libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0), "seccomp"
    )
