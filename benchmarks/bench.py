"""What every work is given."""

from typing import NamedTuple

from program import Program


class Sizes(NamedTuple):
    few: int = 10
    many: int = 1000
    file_caves: int = 2000
    worktrees: int = 20
    files: int = 5000
    prompts: int = 200
    agents: int = 100
    real_prompts: int = 30
    kills: int = 200
    edited: int = 200
    edits: int = 20
    quiet_seconds: int = 300
    noisy_seconds: int = 60
    churn_seconds: int = 3600


QUICK = Sizes(
    few=10,
    many=100,
    file_caves=200,
    worktrees=5,
    files=500,
    prompts=20,
    agents=10,
    real_prompts=6,
    kills=20,
    edited=20,
    edits=5,
    quiet_seconds=20,
    noisy_seconds=10,
    churn_seconds=20,
)


class Bench(NamedTuple):
    """``runs`` of a work that takes seconds; those of milliseconds are run four times as often."""

    program: Program
    runs: int
    sizes: Sizes = Sizes()

    @property
    def short_runs(self) -> int:
        return self.runs * 4
