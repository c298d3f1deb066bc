"""What agents are told and tell: prompts, statuses, hooks."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench import Bench
from sandbox import Sandbox, sandbox, write_directory_caves
from table import Row, bounded, compared
from timing import Contender, Sample, interleaved, timed, wait_until

SCRIPTED = Path(__file__).resolve().parents[2] / "tests" / "support" / "scripted_claude.py"
CHAOS = "swallow=0.3,late=0.3,dialog=0.15,lag=0.3,slow=0.3,lie=0.2"
SENDERS = 4


class Truth(NamedTuple):
    """What verdicts were given, against what the agent wrote down."""

    verdicts: Counter[str]
    lost: int
    doubled: int
    untrue: int
    approvals: int

    def __str__(self) -> str:
        said = ", ".join(f"{count} {verdict}" for verdict, count in self.verdicts.most_common())
        return f"{said}; {self.faults} faults"

    @property
    def faults(self) -> int:
        return self.lost + self.doubled + self.untrue + self.approvals


def prompts(bench: Bench) -> Iterator[Row]:
    """Prompts to an agent that swallows, delays and opens dialogs at random."""
    count = bench.sizes.prompts
    with sandbox() as place:
        file = _scripted(place, SENDERS, CHAOS)
        _up(bench, place, file, "--wait")
        truth = _send_all(bench, place, count)
    wanted = "0 lost, 0 doubled, 0 approved, all verdicts true"
    yield Row(
        f"{count} prompts to the scripted agent",
        str(truth),
        theirs=f"{truth.lost} lost, {truth.doubled} doubled, {truth.approvals} approved",
        target=wanted,
        met=truth.faults == 0,
    )


def _send_all(bench: Bench, place: Sandbox, count: int) -> Truth:
    """Each in turn to one of the agents; a person denies what was asked and clears the box."""
    said: dict[str, str] = {}
    for number in range(count):
        cave, text = f"c{number % SENDERS}", f"prompt {number}\n" + "line\n" * (number % 7)
        done = subprocess.run(
            [bench.program.agentcave, "send", "-p", "bench", cave, text],
            env=place.environ,
            cwd=place.folder,
            capture_output=True,
            text=True,
        )
        said[text.strip()] = _verdict(done)
        if done.returncode:
            _settle(bench, place, cave)
    for cave in range(SENDERS):
        _settle(bench, place, f"c{cave}")
    return _judged(said, place)


def _verdict(done: "subprocess.CompletedProcess[str]") -> str:
    if done.returncode == 0:
        return done.stdout.split()[0]
    return done.stderr.removeprefix("agentcave: ").partition(":")[0]


def _settle(bench: Bench, place: Sandbox, cave: str) -> None:
    """Until it is idle with an empty box, as a person at the terminal would leave it."""

    def idle() -> bool:
        words = (bench.program.agentcave, "status", "-p", "bench", "--json", cave)
        done = subprocess.run(words, env=place.environ, cwd=place.folder, capture_output=True)
        row = json.loads(done.stdout)
        assert row["phase"] == "running", row["reason"]
        if row["activity"] in ("approval", "question"):
            deny = (bench.program.agentcave, "deny", "-p", "bench", cave)
            subprocess.run(deny, env=place.environ, cwd=place.folder, capture_output=True)
        elif row["activity"] == "idle":
            place.tmux("send-keys", "-t", row["pane"], "C-u")
            return True
        return False

    wait_until(idle, f"{cave} is idle")


def _judged(said: dict[str, str], place: Sandbox) -> Truth:
    lines = (place.folder / "log").read_text().splitlines()
    happened = [json.loads(line) for line in lines]
    taken = Counter(one["text"].strip() for one in happened if one["kind"] == "prompt")
    approved = sum(one["kind"] in ("approval 1", "approval Enter") for one in happened)
    return Truth(
        Counter(said.values()),
        lost=sum(verdict == "delivered" and not taken[text] for text, verdict in said.items()),
        doubled=sum(number > 1 for number in taken.values()),
        untrue=sum(v == "not-delivered" and taken[text] > 0 for text, v in said.items()),
        approvals=approved,
    )


def statuses(bench: Bench) -> Iterator[Row]:
    """``ps`` beside agents that tell their status, and beside as many that tell nothing."""
    count = bench.sizes.agents
    with sandbox() as talking, sandbox() as silent:
        _up(bench, talking, _scripted(talking, count, ""), "--wait")
        _up(bench, silent, write_directory_caves(silent.folder, count))
        contenders = [
            _ps(bench, "ps", talking),
            _ps(bench, "`ps` beside `sleep`s", silent),
        ]
        samples = interleaved(contenders, bench.short_runs, warm_up=True)
    ours, theirs = samples["ps"], samples["`ps` beside `sleep`s"]
    yield compared(f"`ps` with {count} agents that tell", ours, "the same with `sleep`s", theirs)
    more = [
        our._replace(seconds=our.seconds - their.seconds)
        for our, their in zip(ours, theirs, strict=True)
    ]
    yield bounded(f"what {count} statuses add to `ps`", more, 0.060)


def hooks(bench: Bench) -> Iterator[Row]:
    """What a hook costs an agent that waits for it: the line itself, beside an empty one."""
    code = "from agentcave.agents.hooks import hook; print(hook('Stop'))"
    line = subprocess.run(
        [bench.program.python, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    with sandbox() as place:
        event = place.folder / "event.json"
        event.write_text(json.dumps({"hook_event_name": "Stop", "text": "x" * 2000}))
        environ = {**place.environ, "AGENTCAVE_SESSION_DIR": str(place.folder)}

        def run(script: str) -> Contender:
            argv = ("/bin/sh", "-c", script)
            return Contender(
                script, lambda: timed(argv, environ=environ, cwd=place.folder, stdin=event)
            )

        samples = interleaved([run(line), run("exit 0")], bench.short_runs * 5, warm_up=True)
    yield compared("a hook", samples[line], "an empty hook", samples["exit 0"])
    yield bounded("a hook, all in all", samples[line], 0.005)


def _ps(bench: Bench, name: str, place: Sandbox) -> Contender:
    def run() -> Sample:
        argv = (bench.program.agentcave, "ps", "-f", place.folder / "caves.yaml")
        return timed(argv, environ=place.environ, cwd=place.folder)

    return Contender(name, run)


def _scripted(place: Sandbox, count: int, chaos: str) -> Path:
    command = json.dumps([sys.executable, str(SCRIPTED)])
    lines = []
    for number in range(count):
        (place.folder / "w" / f"c{number}").mkdir(parents=True)
        environment = json.dumps(
            {"SCRIPTED_LOG": str(place.folder / "log"), "SCRIPTED_CHAOS": f"seed={number},{chaos}"}
        )
        agent = f"{{type: claude, command: {command}, environment: {environment}}}"
        space = f"{{type: directory, path: w/c{number}}}"
        lines.append(f"  c{number}: {{workspace: {space}, agents: {{claude: {agent}}}}}")
    path = place.folder / "caves.yaml"
    path.write_text("\n".join(["version: 1", "name: bench", "caves:", *lines, ""]))
    return path


def _up(bench: Bench, place: Sandbox, file: Path, *words: str) -> None:
    argv: Sequence[str | Path] = (bench.program.agentcave, "up", "-f", file, *words)
    timed(argv, environ={**place.environ, "TERM": os.environ.get("TERM", "dumb")}, cwd=place.folder)
