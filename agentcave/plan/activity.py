"""One judgement from everything that is said of an agent."""

from collections.abc import Sequence

from agentcave.model.status import Activity, Claim, Judgement

ORDER = ("live", "hook", "title", "screen", "process")
TOGETHER = 10.0
"""Seconds in which a hook and the live file tell of one change; hooks are first (measured: by
0.05 s to 0.2 s; with all cores loaded by seconds)."""
ASKING = frozenset({Activity.APPROVAL, Activity.QUESTION})


def judge(claims: Sequence[Claim], now: float) -> Judgement:
    """Newest truth wins, hooks give the reason; without any truth it is ``unknown``.

    ``claims`` come in any order. What only shows the present (title, screen) decides where the
    sources that tell a time are silent, and is a doubt where they are not.
    """
    ordered = sorted(claims, key=lambda claim: (ORDER.index(claim.source), -(claim.at or 0.0)))
    fresh = [claim for claim in ordered if not _expired(claim, now)]
    winner = _winner(fresh, now)
    if winner is None:
        return Judgement(Activity.UNKNOWN, claims=tuple(ordered), expired=_rest(ordered, fresh))
    return Judgement(
        winner.activity,
        winner.reason or _reason(winner, fresh),
        winner,
        tuple(ordered),
        _rest(ordered, fresh),
        tuple(
            claim
            for claim in fresh
            if claim.at is None
            and claim.activity not in (winner.activity, *winner.refines)
            and claim.source != "process"
        ),
    )


def past_start(judgement: Judgement | None) -> bool:
    """Whether an agent has come to where it takes prompts; unknown counts, for want of better."""
    if judgement is None or judgement.activity is Activity.STARTING:
        return False
    return judgement.dialog is None or judgement.dialog.kind != "startup"


def wants_screen(judgement: Judgement, now: float, *, draws: bool) -> bool:
    """Whether the screen is to be looked at: nothing else speaks, or it shows what is asked."""
    return (draws and judgement.dialog is not None) or is_silent(judgement.claims, now)


def is_silent(claims: Sequence[Claim], now: float) -> bool:
    """Whether no source that tells a time says anything: then the screen is looked at."""
    return not any(claim.at is not None and not _expired(claim, now) for claim in claims)


def _winner(fresh: Sequence[Claim], now: float) -> Claim | None:
    timed = [claim for claim in fresh if claim.at is not None]
    # What was said in the future was said before somebody set the clock back.
    timed = [claim for claim in timed if _time(claim) <= now + TOGETHER] or timed
    if not timed:
        asking = [claim for claim in fresh if claim.activity in ASKING]
        return (*asking, *fresh, None)[0]
    newest = max(timed, key=_time)
    if newest.source != "live":
        return newest
    hooks = [claim for claim in timed if claim.source == "hook"]
    last = max(hooks, key=_time, default=None)
    if (
        last is not None
        and newest.activity in last.refines
        and _time(newest) - _time(last) <= TOGETHER
    ):
        return last
    return newest


def _reason(winner: Claim, fresh: Sequence[Claim]) -> str:
    """That of another source which tells of the same change."""
    same = [claim for claim in fresh if claim.activity is winner.activity and claim.reason]
    near = [one.reason for one in same if abs(_time(one) - _time(winner)) <= TOGETHER]
    return next(iter(near), "")


def _expired(claim: Claim, now: float) -> bool:
    return claim.at is not None and claim.lasts is not None and now > claim.at + claim.lasts


def _rest(all_of: Sequence[Claim], fresh: Sequence[Claim]) -> tuple[Claim, ...]:
    return tuple(claim for claim in all_of if claim not in fresh)


def _time(claim: Claim) -> float:
    return claim.at or 0.0
