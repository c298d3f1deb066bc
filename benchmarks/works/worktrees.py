"""Caves with a git worktree each, against git alone."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import Bench
from sandbox import Sandbox, sandbox, write_caves
from starting import RIVALS
from table import AtMost, Row, compared
from timing import Contender, Sample, interleaved, timed

IDENTITY = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
FILES_IN_A_FOLDER = 100


def many_files(bench: Bench) -> Iterator[Row]:
    count = bench.sizes.worktrees
    with tempfile.TemporaryDirectory(prefix="acb-") as folder:
        origin = _repository(Path(folder), bench.sizes.files)
        contenders = [_agentcave(bench, origin, count), *_git(bench, origin, count)]
        samples = interleaved(contenders, bench.runs)
    ours, *rivals = contenders
    fastest = min(rivals, key=lambda rival: min(s.seconds for s in samples[rival.name]))
    work = f"{count} worktrees of {bench.sizes.files} files"
    for rival in rivals:
        target = AtMost(1.3) if rival is fastest else None
        yield compared(work, samples[ours.name], rival.name, samples[rival.name], target)


def _agentcave(bench: Bench, origin: Path, count: int) -> Contender:
    def run() -> Sample:
        with _clone(origin) as (place, main):
            file = write_caves(main, ["{type: worktree}"] * count)
            return timed(
                (bench.program.agentcave, "up", "-f", file),
                environ=place.environ,
                cwd=main,
                until=lambda: place.wait_for_agents(count),
            )

    return Contender("agentcave up", run)


def _git(bench: Bench, origin: Path, count: int) -> list[Contender]:
    """As many at once as there are processors, and all at once: the faster one counts."""

    def contender(at_once: int) -> Contender:
        def run() -> Sample:
            with _clone(origin) as (place, main):
                paths = [str(main / ".agentcave/caves" / f"c{n}") for n in range(count)]
                given = place.folder / "paths.json"
                given.write_text(json.dumps(paths))
                script = RIVALS / "git_worktrees.py"
                argv = (bench.program.rivals_python, script, given, str(at_once))
                return timed(argv, environ=place.environ, cwd=main)

        return Contender(f"git registers in turn, checks out {at_once} at once", run)

    return [contender(at_once) for at_once in sorted({os.cpu_count() or 1, count})]


@contextmanager
def _clone(origin: Path) -> Iterator[tuple[Sandbox, Path]]:
    with sandbox() as place:
        main = place.folder / "main"
        subprocess.run(["git", "clone", "--quiet", origin, main], env=place.environ, check=True)
        os.sync()
        yield place, main


def _repository(folder: Path, files: int) -> Path:
    for number in range(files):
        parent = folder / f"d{number // FILES_IN_A_FOLDER}"
        parent.mkdir(exist_ok=True)
        (parent / f"f{number}.txt").write_text(f"{number}\n" * 100)
    for words in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "-m", "files")):
        subprocess.run(["git", *IDENTITY, *words], cwd=folder, check=True)
    return folder
