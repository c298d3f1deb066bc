"""Automatic restarts: a function of what is declared, of what happened, and of now."""

from typing import NamedTuple

from agentcave.model.hashing import sha256_hex
from agentcave.model.observed import History
from agentcave.model.spec import RestartSpec

JITTER = 0.1
"""Part of a delay by which it is shortened or not: many that crash together come back apart."""


class Verdict(NamedTuple):
    """``due``: when the next restart comes, in seconds since the epoch; None when none does.

    ``streak`` counts the restarts before it without a healthy spell. ``why`` tells people.
    """

    due: float | None
    streak: int
    why: str


def next_restart(spec: RestartSpec, past: History, *, exited: bool = True) -> Verdict:
    """What the policy says of an agent that has ended, as ``past`` remembers it.

    ``exited`` False: its session was taken away, by a person or with the server; that is put back
    whatever the policy, and never given up.
    """
    streak = 0 if _was_healthy(spec, past) else past.streak
    due = (past.ended_at or 0.0) + delay(spec, streak, past.session or "")
    if not exited:
        return Verdict(due, streak, "put back")
    if spec.policy == "never":
        return Verdict(None, streak, "its restart policy is never")
    if streak >= spec.max_restarts:
        return Verdict(None, streak, f"given up after {streak} of {spec.max_restarts} restarts")
    return Verdict(due, streak, f"restart {streak + 1} of {spec.max_restarts}")


def delay(spec: RestartSpec, streak: int, incarnation: str) -> float:
    """Seconds before a restart: none before the first; then ``initial``, growing up to ``max``.

    The same incarnation always gets the same: chance would let every look at it say otherwise.
    """
    if streak == 0:
        return 0.0
    try:
        grown = spec.initial * spec.factor ** (streak - 1)
    except OverflowError:
        grown = spec.max
    chance = int(sha256_hex(incarnation.encode())[:8], 16) / 0xFFFFFFFF
    return min(grown, spec.max) * (1 - JITTER * chance)


def settled(past: History, now: float) -> History:
    """An end that lies in the future was written by a clock that has since been set back."""
    if past.ended_at is None or past.ended_at <= now:
        return past
    return past._replace(ended_at=now)


def _was_healthy(spec: RestartSpec, past: History) -> bool:
    if past.started is None or past.ended_at is None:
        return False
    return past.ended_at - past.started >= spec.reset_after
