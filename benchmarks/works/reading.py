"""A large caves file, read for the second time."""

from collections.abc import Iterator

from bench import Bench
from sandbox import sandbox, write_directory_caves
from table import Row, bounded
from timing import Contender, Sample, interleaved, timed


def config(bench: Bench) -> Iterator[Row]:
    count = bench.sizes.file_caves
    with sandbox() as place:
        write_directory_caves(place.folder, count)

        def run() -> Sample:
            argv = (bench.program.agentcave, "config", "-q")
            return timed(argv, environ=place.environ, cwd=place.folder)

        contender = Contender("config", run)
        samples = interleaved([contender], bench.short_runs, warm_up=True)
    yield bounded(f"`config -q` of {count} caves, second time", samples["config"], 0.200)
