"""``up --watch``: crashes, edits, and what it costs to do nothing."""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median, quantiles

from bench import Bench
from controlled import Controller, controlling, cpu
from sandbox import AGENT, Sandbox, sandbox, write_directory_caves
from supervised import supervising
from table import Row
from timing import tell

MEGABYTE_A_SECOND = 1 << 20
PRINTER = (
    "import sys,time\n"
    "line = b'x' * 99 + b'\\n'\n"
    "while True: sys.stdout.buffer.write(line * {lines}); sys.stdout.flush(); time.sleep(0.1)"
)


def crashes(bench: Bench) -> Iterator[Row]:
    """kill -9 of one agent after another; each is given time to be healthy for a moment."""
    count, kills = bench.sizes.agents, bench.sizes.kills
    spans, theirs = [], []
    with (
        _watched(bench, count, restart="{max_restarts: 1000, initial: 1ms, max: 1ms}") as one,
        supervising(one[0], bench.program, count) as supervisor,
    ):
        place, controller = one
        for number in range(kills):
            spans.append(_crash(place, controller, number % count))
            theirs.append(supervisor.crash(number))
        ended = [e for e in controller.events if e["action"] == "session-ended"]
    known = sum(event["cause"] == "ended by SIGKILL" for event in ended)
    slowest = quantiles(spans, n=20)[-1] * 1000
    yield Row(
        f"crash of one of {count} agents → replaced",
        f"{median(spans) * 1000:.0f} ms",
        theirs=f"95 % within {slowest:.0f} ms",
        target="95 % within 100 ms",
        met=slowest <= 100,
    )
    pairs = zip(spans, theirs, strict=True)
    yield Row(
        "the same",
        f"{median(spans) * 1000:.0f} ms",
        "supervisord, without terminals",
        f"{median(theirs) * 1000:.0f} ms",
        f"{median(ours / other for ours, other in pairs):.2f}x",
    )
    yield Row(
        f"{kills} ends noticed, with how they ended",
        f"{known} of {kills}",
        target="all",
        met=known == kills,
    )


def quiet(bench: Bench) -> Iterator[Row]:
    """Nothing happens at all, for minutes."""
    count, seconds = bench.sizes.agents, bench.sizes.quiet_seconds
    with _watched(bench, count) as (_, controller):
        time.sleep(5)
        own, children = _cost(controller.pid, seconds)
    share = own / seconds * 100
    yield Row(
        f"a controller of {count} quiet agents, {seconds} s",
        f"{share:.2f} % of a core",
        theirs=f"{children:.2f} s in processes it started",
        target="≤ 0.5 %, no process",
        met=share <= 0.5 and children == 0,
    )


def noisy(bench: Bench) -> Iterator[Row]:
    """All panes together print 1 MB a second."""
    count, seconds = bench.sizes.agents, bench.sizes.noisy_seconds
    lines = MEGABYTE_A_SECOND // 1000 // count
    command = [sys.executable, "-S", "-c", PRINTER.format(lines=max(1, lines))]
    with _watched(bench, count, command=command) as (place, controller):
        server = int(place.tmux("display-message", "-p", "#{pid}"))
        time.sleep(5)
        with_it = cpu(server)[0]
        own, _ = _cost(controller.pid, seconds)
        with_it = cpu(server)[0] - with_it
        os.kill(controller.pid, signal.SIGSTOP)
        without, _ = _cost(server, seconds)
        os.kill(controller.pid, signal.SIGCONT)
    share, more = own / seconds * 100, (with_it - without) / seconds * 100
    yield Row(
        f"the same while they print 1 MB/s, {seconds} s",
        f"{share:.2f} % of a core",
        rival=f"tmux itself: {without / seconds * 100:.1f} %",
        theirs=f"{more:+.1f} points with a controller",
        target="≤ 1.5 %, tmux ≤ +2 points",
        met=share <= 1.5 and more <= 2,
    )


def edits(bench: Bench) -> Iterator[Row]:
    """One more cave is written into the file."""
    count, rounds = bench.sizes.edited, bench.sizes.edits
    with _watched(bench, count) as (place, controller):
        spans = []
        for number in range(count, count + rounds):
            after, began = len(controller.events), time.time()
            _replace(place.folder, count=number + 1)
            event = controller.wait_for(
                lambda e, cave=f"c{number}": e["action"] == "start-session" and e["cave"] == cave,
                after,
                "the new cave runs",
            )
            spans.append(event["seen"] - began)
            time.sleep(0.5)
    slowest = quantiles(spans, n=20)[-1] * 1000
    yield Row(
        f"an edit that adds a cave to {count} → its agent runs",
        f"{median(spans) * 1000:.0f} ms",
        theirs=f"95 % within {slowest:.0f} ms",
        target="95 % within 400 ms",
        met=slowest <= 400,
    )


def memory(bench: Bench) -> Iterator[Row]:
    """Agents crash and come back all the time."""
    count, seconds = bench.sizes.many, bench.sizes.churn_seconds
    with _watched(bench, count, restart="{max_restarts: 100000, initial: 1ms, max: 1ms}") as one:
        place, controller = one
        early, crashed, deadline = 0.0, 0, time.monotonic() + seconds
        while time.monotonic() < deadline:
            _crash(place, controller, crashed % count)
            crashed += 1
            if time.monotonic() > deadline - seconds * 0.75 and not early:
                early = controller.resident
        late = controller.resident
    yield Row(
        f"memory of a controller of {count}, {crashed} crashes in {seconds // 60} min",
        f"{late:.0f} MB",
        theirs=f"{early:.0f} MB after a quarter of it",
        target="≤ 90 MB, flat",
        met=late <= 90 and late - early <= 3,
    )


def _crash(place: Sandbox, controller: Controller, number: int) -> float:
    """Kill the agent of cave cN; the seconds until a new one has begun."""
    after = len(controller.events)
    name = f"bench/c{number}/agent"
    pid = int(place.tmux("list-panes", "-t", f"={name}:", "-F", "#{pane_pid}"))
    began = time.time()
    os.kill(pid, signal.SIGKILL)
    event = controller.wait_for(
        lambda e: e["action"] == "start-session" and e["cave"] == f"c{number}",
        after,
        f"{name} is replaced",
    )
    if event["outcome"] != "done":
        tell(f"  {event['error']}")
    return float(event["seen"] - began)


def _cost(pid: int, seconds: float) -> tuple[float, float]:
    """Processor seconds of a process and of its children while ``seconds`` pass."""
    before = cpu(pid)
    time.sleep(seconds)
    after = cpu(pid)
    return after[0] - before[0], after[1] - before[1]


def _replace(folder: Path, count: int) -> None:
    """As editors do: a new file in place of the old one."""
    other = folder / "new"
    other.mkdir(exist_ok=True)
    (folder / "w" / f"c{count - 1}").mkdir()
    text = (folder / "caves.yaml").read_text()
    line = text.splitlines()[-1].replace(f"c{count - 2}", f"c{count - 1}")
    (other / "caves.yaml").write_text(f"{text}{line}\n")
    os.replace(other / "caves.yaml", folder / "caves.yaml")


@contextlib.contextmanager
def _watched(
    bench: Bench, count: int, *, command: Sequence[str] = AGENT, restart: str = "{}"
) -> Iterator[tuple[Sandbox, Controller]]:
    with sandbox() as place:
        path = write_directory_caves(place.folder, count)
        fields = f"restart: {restart}, command: {json.dumps(command)}"
        written = path.read_text().replace(f"command: [{', '.join(AGENT)}]", fields)
        path.write_text(written)
        with controlling(place, bench.program, count) as controller:
            yield place, controller
