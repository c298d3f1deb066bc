"""``up`` on a server that does not run yet."""

import shutil
from collections.abc import Iterator

import starting
from bench import Bench
from table import AtMost, FasterBy, Row, compared, fitting
from timing import Contender, interleaved, own_peak, tell


def few(bench: Bench) -> Iterator[Row]:
    count, program = bench.sizes.few, bench.program
    work = f"`up` of {count} fresh sessions"
    tmuxp = starting.tmuxp(program, count)
    rivals = [
        tmuxp,
        starting.libtmux(program, count),
        starting.process_each(program, count),
        starting.source_file(count),
    ]
    if shutil.which("tmuxinator"):
        rivals.append(starting.tmuxinator(program, count))
    targets: dict[str, AtMost | FasterBy] = {tmuxp.name: FasterBy(5)}
    first = starting.agentcave(program, count)
    yield from _against(bench, f"{work}, a new file", first, count, [tmuxp], targets)
    known = starting.agentcave(program, count, known=True)
    yield from _against(bench, work, known, count, rivals, targets)


def many(bench: Bench) -> Iterator[Row]:
    count, program = bench.sizes.many, bench.program
    work = f"`up` of {count} fresh caves"
    bare = starting.own_start_lines(program, count)
    each = starting.own_start_lines_each(program, count)
    targets: dict[str, AtMost | FasterBy] = {bare.name: AtMost(1.6), each.name: FasterBy(2)}
    ours = starting.agentcave(program, count)
    yield from _against(bench, work, ours, count, [bare, each], targets, memory=120)


def _against(
    bench: Bench,
    work: str,
    ours: Contender,
    count: int,
    rivals: list[Contender],
    targets: dict[str, AtMost | FasterBy],
    memory: float | None = None,
) -> Iterator[Row]:
    with starting.compiled_floor() as binary:
        if binary is None:
            tell("no C compiler: the floor is left out")
        else:
            rivals = [*rivals, starting.floor(binary, count)]
        samples = interleaved([ours, *rivals], bench.runs)
    for rival in rivals:
        target = targets.get(rival.name)
        yield compared(work, samples[ours.name], rival.name, samples[rival.name], target)
    if memory is not None:
        assert own_peak() < memory / 2, "the benchmark itself would be taken for the program"
        yield fitting(f"peak memory of {work}", samples[ours.name], memory)
