"""What comes before what."""

from collections.abc import Mapping, Sequence

from agentcave.model.desired import DesiredCave
from agentcave.plan.plan import Step


def awaited(cave: DesiredCave) -> tuple[str, ...]:
    return tuple(name for name, _ in cave.waits)


def dependencies_first(caves: Mapping[str, DesiredCave]) -> list[DesiredCave]:
    """File order, but for what must come earlier; config has refused cycles."""
    if not any(cave.waits for cave in caves.values()):
        return list(caves.values())
    from graphlib import TopologicalSorter

    graph = {name: awaited(cave) for name, cave in caves.items()}
    return [caves[name] for name in TopologicalSorter(graph).static_order() if name in caves]


def dependents(caves: Mapping[str, DesiredCave]) -> dict[str, list[str]]:
    waiting: dict[str, list[str]] = {}
    for name, cave in caves.items():
        for dependency in awaited(cave):
            waiting.setdefault(dependency, []).append(name)
    return waiting


def renumbered(steps: Sequence[Step]) -> tuple[Step, ...]:
    numbers = {step.id: n for n, step in enumerate(steps, 1)}
    return tuple(
        step._replace(id=numbers[step.id], after=tuple(sorted(numbers[n] for n in step.after)))
        for step in steps
    )
