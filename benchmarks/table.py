"""Medians, ratios and targets as rows of a markdown table."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

from timing import Sample

HEAD = ("work", "agentcave", "against", "", "ratio", "target", "")


class Row(NamedTuple):
    """``met`` is None where there is no target, or it was not measured at its size."""

    work: str
    ours: str
    rival: str = ""
    theirs: str = ""
    ratio: str = ""
    target: str = ""
    met: bool | None = None


class AtMost(NamedTuple):
    """Our time over the rival's."""

    factor: float

    def __str__(self) -> str:
        return f"≤ {self.factor:g}x"

    def is_met(self, ratio: float) -> bool:
        return ratio <= self.factor


class FasterBy(NamedTuple):
    """The rival's time over ours."""

    factor: float

    def __str__(self) -> str:
        return f"≥ {self.factor:g}x faster"

    def is_met(self, ratio: float) -> bool:
        return ratio * self.factor <= 1


def compared(
    work: str,
    ours: Sequence[Sample],
    rival: str,
    theirs: Sequence[Sample],
    target: AtMost | FasterBy | None = None,
) -> Row:
    """The ratio is the median of the ratios of the pairs: each was taken in one breath."""
    pairs = zip(ours, theirs, strict=True)
    ratio = median(our.seconds / their.seconds for our, their in pairs)
    return Row(
        work,
        milliseconds(ours),
        rival,
        milliseconds(theirs),
        f"{1 / ratio:.1f}x faster" if isinstance(target, FasterBy) else f"{ratio:.2f}x",
        str(target or ""),
        target.is_met(ratio) if target else None,
    )


def bounded(work: str, samples: Sequence[Sample], limit: float) -> Row:
    """A time that may not exceed ``limit`` seconds, whatever others need."""
    met = median(sample.seconds for sample in samples) <= limit
    return Row(work, milliseconds(samples), target=f"≤ {limit * 1000:g} ms", met=met)


def fitting(work: str, samples: Sequence[Sample], limit: float) -> Row:
    """Memory in MB; the worst run counts."""
    worst = max(sample.peak for sample in samples)
    return Row(work, f"{worst:.0f} MB", target=f"≤ {limit:g} MB", met=worst <= limit)


def milliseconds(samples: Sequence[Sample]) -> str:
    middle = median(sample.seconds for sample in samples) * 1000
    return f"{middle:.0f} ms" if middle >= 100 else f"{middle:.1f} ms"


def markdown(rows: Iterable[Row]) -> str:
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    for row in rows:
        verdict = "" if row.met is None else "met" if row.met else "**missed**"
        lines.append("| " + " | ".join((*row[:-1], verdict)) + " |")
    return "\n".join(lines)
