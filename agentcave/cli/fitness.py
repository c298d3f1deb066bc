"""What ``agentcave doctor`` finds out about the machine itself: kernel, limits, locale."""

import contextlib
import os
import resource
import sys
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from agentcave import config

Verdict = Literal["ok", "info", "warn", "fail"]
FEW = 64
"""Sessions that people run on one machine without thinking of limits; each takes one descriptor
of the tmux server and one pseudo terminal."""


class Finding(NamedTuple):
    verdict: Verdict
    what: str
    text: str


def machine(environ: Mapping[str, str]) -> Iterator[Finding]:
    yield from _python()
    yield _processes()
    yield _pidfd()
    yield _inotify()
    yield _descriptors()
    yield _terminals()
    yield _locale(environ)


def _python() -> Iterator[Finding]:
    yield Finding("ok", "python", f"{sys.version.split()[0]} ({sys.executable})")
    if config.yaml_backend() != "libyaml":
        text = "PyYAML without libyaml reads a large caves.yaml ten times slower"
        yield Finding("warn", "yaml", text)


def _processes() -> Finding:
    try:
        with open("/proc/self/stat", "rb") as file:
            file.read()
        with open("/proc/self/environ", "rb") as file:
            file.read()
    except OSError as exc:
        text = "without it no agent can be ended together with its children"
        return Finding("fail", "/proc", f"{exc.filename}: {exc.strerror}; {text}")
    return Finding("ok", "/proc", "processes can be read")


def _pidfd() -> Finding:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as exc:
        text = f"pidfd_open: {exc.strerror}; Linux 5.3 or newer is needed, not forbidden by seccomp"
        return Finding("fail", "pidfd", text)
    return Finding("ok", "pidfd", "ends of processes are told by the kernel")


def _inotify() -> Finding:
    from inotify_simple import INotify

    limits = "/proc/sys/fs/inotify/max_user_"
    instances, watches = _number(f"{limits}instances"), _number(f"{limits}watches")
    known = f"at most {instances} users of it and {watches} watched folders"
    try:
        INotify().close()
    except OSError as exc:
        text = (
            f"{exc.strerror} ({known}); `up --watch` looks every second instead: raise "
            f"{limits}instances"
        )
        return Finding("warn", "inotify", text)
    return Finding("ok", "inotify", known)


def _descriptors() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = (
        f"{_limit(soft)} a process, {_limit(hard)} at most, which the tmux server takes: it needs "
        "one a session"
    )
    few = hard != resource.RLIM_INFINITY and hard < 4 * FEW
    hint = "; raise it (`ulimit -H -n`) before the server starts" if few else ""
    return Finding("warn" if few else "ok", "descriptors", f"{text}{hint}")


def _terminals() -> Finding:
    most, used = _number("/proc/sys/kernel/pty/max"), _number("/proc/sys/kernel/pty/nr")
    if most is None or used is None:
        return Finding("info", "terminals", "/proc/sys/kernel/pty does not tell how many there are")
    text = f"{used} of {most} pseudo terminals are in use; each session needs one"
    return Finding("warn" if most - used < FEW else "ok", "terminals", text)


def _locale(environ: Mapping[str, str]) -> Finding:
    """tmux is told to write UTF-8 whatever the locale; the programs in it go by theirs."""
    names = ("LC_ALL", "LC_CTYPE", "LANG")
    name = next((name for name in names if environ.get(name)), None)
    value = environ[name] if name else "C"
    if "utf8" in value.lower().replace("-", ""):
        return Finding("ok", "locale", value)
    text = f"{value} is not UTF-8: agents may draw question marks (set LANG=C.UTF-8)"
    return Finding("info", "locale", text)


def _number(path: str) -> int | None:
    with contextlib.suppress(OSError, ValueError), open(path, encoding="ascii") as file:
        return int(file.read())
    return None


def _limit(number: int) -> str:
    return "without limit" if number == resource.RLIM_INFINITY else str(number)
