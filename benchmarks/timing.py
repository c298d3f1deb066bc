"""Whole processes, timed from their start to their end, and contenders taken in turn."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Sample(NamedTuple):
    """One run. ``peak`` is the largest resident set of the process or of a child, in MB."""

    seconds: float
    cpu: float
    peak: float


class Contender(NamedTuple):
    """One way to do a work. ``run`` does it once, from a state of the world made for it."""

    name: str
    run: Callable[[], Sample]


class CommandFailed(Exception):
    """A measured command ended otherwise than with success: its time means nothing."""


def timed(
    argv: Sequence[str | Path],
    *,
    environ: Mapping[str, str],
    cwd: Path,
    stdin: Path | None = None,
    until: Callable[[], None] = lambda: None,
) -> Sample:
    """Run a command to its end, and on ``until`` what it has set going is there."""
    with tempfile.TemporaryFile() as said, open(stdin or os.devnull, "rb") as given:
        began = time.perf_counter()
        process = subprocess.Popen(
            argv, env=environ, cwd=cwd, stdin=given, stdout=subprocess.DEVNULL, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said.seek(0)
            reason = said.read()[-2000:].decode(errors="replace").strip()
            raise CommandFailed(f"{' '.join(map(str, argv))}: {process.returncode}: {reason}")
        until()
        seconds = time.perf_counter() - began
    return Sample(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def own_peak() -> float:
    """Ours, in MB: Linux counts it as the child's too, from before it became its program."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def interleaved(
    contenders: Sequence[Contender], runs: int, warm_up: bool = False
) -> dict[str, list[Sample]]:
    """A B A B …, so that what else the machine does hits all of them alike."""
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in contenders}
    for number in range(-1 if warm_up else 0, runs):
        for name, run in contenders:
            sample = run()
            if number >= 0:
                samples[name].append(sample)
                tell(f"  {name}: {sample.seconds * 1000:.1f} ms")
    return samples


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 120.0) -> None:
    """Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(0.002)


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
