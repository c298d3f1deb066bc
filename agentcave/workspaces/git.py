"""The only place that builds git's command lines and its environment."""

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from agentcave.errors import CaveError, Unavailable
from agentcave.hosts.base import Completed, Host

# Those of `git rev-parse --local-env-vars`, and others that redirect what a command looks at or
# run a program. GIT_CONFIG_COUNT stays: containers say there which directories are safe.
REDIRECTING = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_ATTR_SOURCE",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_CONFIG_PARAMETERS",
        "GIT_DIR",
        "GIT_EXTERNAL_DIFF",
        "GIT_GLOB_PATHSPECS",
        "GIT_GRAFT_FILE",
        "GIT_ICASE_PATHSPECS",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_INDEX_VERSION",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_NAMESPACE",
        "GIT_NOGLOB_PATHSPECS",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_QUARANTINE_PATH",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_SUPER_PREFIX",
        "GIT_WORK_TREE",
    }
)
DOING = ("git", "--literal-pathspecs", "-c", "core.fsmonitor=")
OBSERVING = (
    *DOING,
    *("--no-optional-locks", "-c", "core.hooksPath=/dev/null"),
    # a repository may come from a system that cannot tell these, and would hide work
    *("-c", "core.ignorecase=false", "-c", "core.checkStat=default", "-c", "core.trustctime=true"),
)
CONTENTION = ("File exists", "failed to read", "another git process")
PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds between the attempts to get a lock of git."""


class GitFailed(CaveError):
    """git refused; ``stderr`` is what it said."""

    def __init__(self, what: str, where: str, stderr: str) -> None:
        lines = [line for line in stderr.splitlines() if line.strip()]
        telling = next((line for line in lines if line.startswith(("fatal:", "error:"))), None)
        super().__init__(f"git {what} failed in {where}: {telling or ' '.join(lines[-1:])}")
        self.stderr = stderr

    @property
    def is_contention(self) -> bool:
        return any(sign in self.stderr for sign in CONTENTION)


class Git(NamedTuple):
    """git in one directory. ``observe`` blocks and changes nothing; ``run`` does things."""

    host: Host
    directory: str

    def observe(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        accept: tuple[int, ...] = (0,),
        variables: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> bytes:
        """What git prints. Raises GitFailed when it exits with a status not in ``accept``."""
        done = self.host.read(
            (*OBSERVING, "-C", self.directory, *arguments),
            environment=environment() | {"GIT_NO_LAZY_FETCH": "1"} | dict(variables or {}),
            stdin=stdin,
            timeout=timeout,
        )
        return self._judge(arguments, done, accept)

    async def run(self, *arguments: str, timeout: float = 600.0) -> bytes:
        """Run git with the user's hooks, again a few times when another git holds a lock."""
        return await patiently(lambda: self.once(*arguments, timeout=timeout))

    async def once(self, *arguments: str, timeout: float = 600.0) -> bytes:
        """Run git with the user's hooks, one time."""
        done = await self.host.run(
            (*DOING, "-C", self.directory, *arguments),
            environment=environment(),
            timeout=timeout,
        )
        return self._judge(arguments, done, (0,))

    def _judge(self, arguments: tuple[str, ...], done: Completed, accept: tuple[int, ...]) -> bytes:
        if done.returncode in accept:
            return done.stdout
        stderr = done.stderr.decode(errors="replace")
        if done.returncode == 129:
            raise Unavailable(
                f"this git cannot `git {' '.join(arguments[:2])}`: {stderr.splitlines()[:1]}",
                "install git 2.36 or newer",
            )
        raise GitFailed(" ".join(arguments[:2]), self.directory, stderr)


def without_filters(host: Host, directory: str) -> dict[str, str]:
    """Variables with which git runs no filter that some configuration names.

    They win over every file, and whatever is in a name; git passes them on to submodules.
    """
    listed = Git(host, directory).observe(
        "config", "-z", "--name-only", "--get-regexp", r"^filter\.", accept=(0, 1)
    )
    keys = sorted({os.fsdecode(key) for key in listed.split(b"\0") if key})
    first = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    found = {"GIT_CONFIG_COUNT": str(first + len(keys))} if keys else {}
    for number, key in enumerate(keys, first):
        found[f"GIT_CONFIG_KEY_{number}"] = key
        found[f"GIT_CONFIG_VALUE_{number}"] = "false" if key.endswith(".required") else ""
    return found


def environment() -> dict[str, str]:
    """Ours, without what would point git elsewhere; it never asks and speaks plain English."""
    kept = {name: value for name, value in os.environ.items() if name not in REDIRECTING}
    return kept | {
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        "LANGUAGE": "",
    }


def line(output: bytes) -> str:
    """A single answer; only the newline that git adds goes, for paths may end in one."""
    return os.fsdecode(output.removesuffix(b"\n"))


async def patiently(attempt: Callable[[], Awaitable[bytes]]) -> bytes:
    """Try again, a few times, when another git holds a lock. Raises what the last one raised."""
    import anyio

    for pause in PAUSES:
        try:
            return await attempt()
        except GitFailed as failure:
            if not failure.is_contention:
                raise
        await anyio.sleep(pause)
    return await attempt()
