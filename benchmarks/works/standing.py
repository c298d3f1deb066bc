"""Commands that change nothing, beside sessions that run."""

from collections.abc import Iterator
from pathlib import Path

from bench import Bench
from sandbox import Sandbox, sandbox, write_directory_caves
from table import AtMost, Row, bounded, compared
from timing import Contender, Sample, interleaved, timed

LIST_PANES = "one `tmux list-panes -a`"
PYTHON = "`python -c pass`"


def few(bench: Bench) -> Iterator[Row]:
    count = bench.sizes.few
    with sandbox() as place:
        _raise_caves(bench, place, count)
        ps = _command(place, "ps", bench.program.agentcave, "ps")
        python = _command(place, PYTHON, bench.program.python, "-c", "pass")
        samples = interleaved([ps, python], bench.short_runs, warm_up=True)
    yield compared(f"`ps` at {count}", samples["ps"], PYTHON, samples[PYTHON], AtMost(3))


def many(bench: Bench) -> Iterator[Row]:
    count = bench.sizes.many
    with sandbox() as place:
        file = _raise_caves(bench, place, count)
        ps = _command(place, "ps", bench.program.agentcave, "ps")
        again = _command(place, "up", bench.program.agentcave, "up", "-f", file)
        panes = _command(place, LIST_PANES, "tmux", "-S", place.socket, "list-panes", "-a")
        samples = interleaved([ps, panes, again], bench.short_runs, warm_up=True)
    yield bounded(f"no-op `up` at {count}", samples["up"], 0.150)
    for work, name, target in (("no-op `up`", "up", AtMost(6)), ("`ps`", "ps", AtMost(4))):
        yield compared(f"{work} at {count}", samples[name], LIST_PANES, samples[LIST_PANES], target)


def _raise_caves(bench: Bench, place: Sandbox, count: int) -> Path:
    file = write_directory_caves(place.folder, count)
    up = (bench.program.agentcave, "up", "-f", file)
    timed(
        up,
        environ=place.environ,
        cwd=place.folder,
        until=lambda: place.wait_for_agents(count),
    )
    return file


def _command(place: Sandbox, name: str, *argv: str | Path) -> Contender:
    def run() -> Sample:
        return timed(argv, environ=place.environ, cwd=place.folder)

    return Contender(name, run)
