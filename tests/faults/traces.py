"""agentcave under strace, which kills it, or lets a system call fail, at a chosen moment."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from caving import AGENTCAVE, DEADLINE, Cave, Done

TELLING = ("this is a bug", "Traceback")


def traced(cave: Cave, words: Sequence[str], injection: str, paths: Sequence[Path]) -> Done:
    """Run a command with ``strace -e inject=…``, only of calls about ``paths`` if there are any.

    Its children are not traced. It is killed without having ended only by the injection.
    """
    log = cave.home / "strace"
    about = [word for path in paths for word in ("-P", str(path))]
    strace = ["strace", "-qqq", "-o", str(log), "-e", f"inject={injection}", *about]
    done = subprocess.run(
        [*strace, *AGENTCAVE, *words, "-f", "caves.yaml"],
        cwd=cave.root,
        env={**cave.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        start_new_session=True,
    )
    assert not any(word in done.stderr for word in TELLING), done.stderr + bugs(cave)
    return Done(done.returncode, done.stdout, done.stderr)


def bugs(cave: Cave) -> str:
    return "\n".join(path.read_text() for path in cave.home.glob("agentcave-bug-*"))


def injected(cave: Cave) -> int:
    """How often the last command was met by its fault."""
    text = (cave.home / "strace").read_text(errors="replace")
    return text.count("(INJECTED)") + text.count("+++ killed by SIGKILL")


def history(cave: Cave) -> list[Path]:
    """The paths of the history and its lock, which need not be there yet."""
    found = cave.run("plan", "-f", "caves.yaml", "--json").json
    folder = cave.home / "state" / "agentcave" / f"shop-{found['uid']}"
    names = ("state.db", "state.db-journal", "lock", "launch", "sessions")
    return [folder, *(folder / name for name in names)]


def strace() -> str | None:
    return shutil.which("strace")
