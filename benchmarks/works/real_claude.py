"""Prompts to the real Claude Code, and how soon ``ps`` sees what it does; its model is a fake.

Takes part when ``claude`` is in PATH, or named by AGENTCAVE_PROGRAMS (scripts/agents prints it).
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench import Bench
from table import Row
from timing import tell

if TYPE_CHECKING:
    from claude_code import Claude

TESTS = Path(__file__).resolve().parents[2] / "tests"
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "agents")]
BURNER = (sys.executable, "-c", "while True: pass")
ROUNDS = 6


def prompts(bench: Bench) -> Iterator[Row]:
    """Half of them to agents that have just been started, half to one that is warm."""
    count = bench.sizes.real_prompts
    said: dict[str, str] = {}
    with _claude(bench) as claude, _burning():
        for number in range(count):
            if number < count // 2:
                claude.tell("restart", "api", "--fresh")
            text = f"prompt {number}\n" + "a line of it\n" * (number % 9)
            done = claude.cave.try_run("send", "-f", "caves.yaml", "api", "-", stdin=text)
            said[text.strip()] = (done.out.split() or ["refused"])[0]
            tell(f"  {said[text.strip()]}: {done.err.strip()}")
            claude.becomes("idle", within="60s")
        taken = Counter({text: _times(claude, text) for text in said})
    delivered = sum(verdict == "delivered" for verdict in said.values())
    lost = sum(v == "delivered" and not taken[text] for text, v in said.items())
    doubled = sum(number > 1 for number in taken.values())
    untrue = sum(v != "delivered" and taken[text] > 0 for text, v in said.items())
    yield Row(
        f"{count} prompts to Claude Code, both cores loaded",
        f"{delivered} delivered",
        theirs=f"{lost} lost, {doubled} doubled, {untrue} untrue",
        target="0 lost, 0 doubled, all verdicts true",
        met=lost + doubled + untrue == 0,
    )


def statuses(bench: Bench) -> Iterator[Row]:
    """From the moment that it happened (a request, a key) until `ps` says so."""
    seconds: list[float] = []
    with _claude(bench) as claude:
        for number in range(ROUNDS):
            claude.send(f"@@bash touch made-{number}@@")
            seconds.append(_until(lambda: claude.row()["activity"] == "approval"))
            claude.press("Escape")
            seconds.append(_until(lambda: claude.row()["activity"] == "idle"))
            claude.send("@@slow 30@@")
            seconds.append(_until(lambda: claude.row()["activity"] == "working"))
            claude.press("Escape")
            seconds.append(_until(lambda: claude.row()["activity"] == "idle"))
    middle = median(seconds)
    yield Row(
        "a change of Claude Code is seen by `ps`",
        f"{middle * 1000:.0f} ms",
        theirs=f"slowest {max(seconds) * 1000:.0f} ms",
        target="≤ 500 ms (median)",
        met=middle <= 0.5,
    )


def _until(condition: Callable[[], bool], limit: float = 30.0) -> float:
    began = time.monotonic()
    while not condition():
        if time.monotonic() > began + limit:
            raise TimeoutError("Claude Code did not become what it should")
    return time.monotonic() - began


def _times(claude: "Claude", text: str) -> int:
    """How often a prompt stands in the conversation that the model was given."""
    found = (sum(one.strip() == text for one in turn.said) for turn in claude.api.turns())
    return max(found, default=0)


@contextlib.contextmanager
def _burning() -> Iterator[None]:
    burners = [subprocess.Popen(BURNER) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@contextlib.contextmanager
def _claude(bench: Bench) -> Iterator["Claude"]:
    from caving import make_project
    from claude_code import Claude
    from fakes.anthropic import AnthropicApi
    from programs import given

    program = given().get("claude") or shutil.which("claude")
    if program is None:
        raise AssertionError("claude is not installed: see scripts/agents")
    home = Path(tempfile.mkdtemp(prefix="acb-"))
    (home / ".gitconfig").write_text("[user]\nname = b\nemail = b@example.invalid\n")
    cave = make_project(home, home / "shop")
    try:
        with AnthropicApi() as api:
            claude = Claude(cave, api, program)
            claude.seed(trusted=True)
            claude.declare()
            claude.idle()
            yield claude
            claude.tell("down")
    finally:
        cave.try_tmux("kill-server")
        shutil.rmtree(home, ignore_errors=True)
