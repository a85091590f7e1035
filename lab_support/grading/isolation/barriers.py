"""The barriers between a student's process and the rest: each is raised by the process itself, without root.

Section:
    All sections; docs/grading.md says how far each barrier reaches.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import socket
import struct
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

NAMESPACES = 0x10000000 | 0x20000000 | 0x40000000 | 0x08000000  # user, PID, network, IPC
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
READ, READ_FILE = 0b1101, 0b101  # execute, read a file, list a folder
ALL_BY_ABI = ((1, 0x1FFF), (2, 0x3FFF), (3, 0x7FFF), (5, 0xFFFF))
FOR_FILES = 0b111 | 0x4000 | 0x8000
NO_NEW_PRIVILEGES, PARENT_DEATH, DROP_BOUND = 38, 1, 24
SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share/zoneinfo", "/usr/bin", "/bin")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/hosts", "/etc/nsswitch.conf", "/etc/localtime", "/dev/urandom")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may use: CPU in seconds, sizes in bytes; memory counts from what the libraries need."""

    cpu_s: int = 20
    memory: int = 512 * 2**20
    file_size: int = 64 * 2**20
    processes: int = 64
    open_files: int = 128


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def enter_namespaces() -> bool:
    """Leave for new user, PID, network and IPC namespaces; the next child is the first process of the PID one."""
    user, group = os.geteuid(), os.getegid()
    if not sys.platform.startswith("linux") or _libc().unshare(NAMESPACES) != 0:
        return False
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))
    except OSError:
        return False
    return True


def limit_namespace(processes: int) -> list[str]:
    """Bound what even root may start inside, and forbid nested namespaces; return what the system took."""
    done = []
    for name, path, value in (
        ("pid_max", "/proc/sys/kernel/pid_max", max(processes, 301)),
        ("no nested namespaces", "/proc/sys/user/max_user_namespaces", 0),
    ):
        try:
            Path(path).write_text(str(value))
        except OSError:
            continue
        done.append(name)
    return done


def drop_capabilities() -> bool:
    """Give up every capability for good, those a new program would get too."""
    for capability in range(64):
        _libc().prctl(DROP_BOUND, capability, 0, 0, 0)
    header, nothing = struct.pack("Ii", 0x20080522, 0), bytes(24)
    return bool(_libc().capset(header, nothing) == 0)


def forbid_new_privileges() -> bool:
    """Let no program started from here gain a right that this process lacks."""
    return bool(_libc().prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0)


def die_with_parent() -> None:
    """Be killed when the process that started this one ends."""
    if sys.platform.startswith("linux"):
        _libc().prctl(PARENT_DEATH, 9, 0, 0, 0)


def limit_resources(limits: Limits) -> bool:
    """Set the limits that the system keeps for each process."""
    used = 0
    if sys.platform.startswith("linux"):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for kind, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_AS, used + limits.memory),
        (resource.RLIMIT_FSIZE, limits.file_size),
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_NOFILE, limits.open_files),
    ):
        try:
            resource.setrlimit(kind, (value, value))
        except (OSError, ValueError):
            return False
    return True


def close_descriptors(kept: int) -> None:
    """Point the standard descriptors nowhere and close all others but one."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    os.closerange(3, kept)
    os.closerange(kept + 1, max(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[0]))


def restrict_files(writable: Iterable[Path], readable: Iterable[Path], *, network: bool) -> bool:
    """Let this process and its children read and write the given folders, and read what Python needs.

    Args:
        writable: Folders to read and write.
        readable: Folders to read only.
        network: Whether TCP stays open; False where no namespace confines it.
    """
    if not sys.platform.startswith("linux"):
        return False
    abi = _libc().syscall(CREATE_RULESET, None, 0, 1)
    if abi < 1:
        return False
    handled = next(mask for least, mask in reversed(ALL_BY_ABI) if abi >= least)
    sizes = 8 if abi < 4 else 16 if abi < 6 else 24
    net, scoped = (0 if network else 3), 3
    attributes = struct.pack("QQQ", handled, net, scoped)[:sizes]
    ruleset = _libc().syscall(CREATE_RULESET, attributes, sizes, 0)
    if ruleset < 0:
        return False
    python = [Path(sys.prefix), Path(sys.base_prefix), Path(sysconfig.get_path("stdlib"))]
    package = Path(__file__).resolve().parents[2]
    allowed = [(path, handled) for path in writable] + [(Path("/dev/null"), 0b110)]
    allowed += [(path, READ) for path in (*readable, *python, package, *map(Path, SYSTEM))]
    allowed += [(Path(path), READ_FILE) for path in SYSTEM_FILES]
    for path, rights in allowed:
        _allow(ruleset, path, rights & handled)
    done = forbid_new_privileges() and _libc().syscall(RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return done


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    rights = rights if path.is_dir() else rights & FOR_FILES
    _libc().syscall(ADD_RULE, ruleset, 1, struct.pack("=Qi", rights, opened), 0)
    os.close(opened)
