"""One judgement from everything that is said of an agent."""

import itertools
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcave.model.status import Activity, Claim, Dialog, Judgement
from agentcave.plan.activity import ORDER, TOGETHER, is_silent, judge, past_start

NOW = 1000.0
APPROVAL, IDLE, LIMITED = Activity.APPROVAL, Activity.IDLE, Activity.LIMITED
QUESTION, STARTING, WORKING = Activity.QUESTION, Activity.STARTING, Activity.WORKING


def live(activity: Activity, at: float, reason: str = "") -> Claim:
    return Claim("live", activity, "sessions/<pid>.json", reason, at)


def hook(
    activity: Activity, at: float, reason: str = "", refines: tuple[Activity, ...] = ()
) -> Claim:
    return Claim("hook", activity, f"hook {activity}", reason, at, refines=refines)


def shown(activity: Activity, source: str = "screen", reason: str = "") -> Claim:
    return Claim("title" if source == "title" else "screen", activity, source, reason)


times = st.none() | st.floats(0, 2 * NOW)
claims = st.builds(
    Claim,
    source=st.sampled_from(ORDER),
    activity=st.sampled_from(Activity),
    rule=st.sampled_from(["a", "b", "c"]),
    reason=st.sampled_from(["", "why"]),
    at=times,
    lasts=st.none() | st.floats(0, NOW),
    refines=st.lists(st.sampled_from(Activity), max_size=2).map(tuple),
)


def is_expired(claim: Claim) -> bool:
    return claim.at is not None and claim.lasts is not None and claim.at + claim.lasts < NOW


@given(st.lists(claims, max_size=6))
def test_every_claim_is_kept_and_only_a_fresh_one_wins(said: list[Claim]) -> None:
    judgement = judge(said, NOW)
    assert sorted(judgement.claims, key=repr) == sorted(said, key=repr)
    fresh = [claim for claim in said if not is_expired(claim)]
    assert {*judgement.expired} == {claim for claim in said if is_expired(claim)}
    if not fresh:
        assert judgement.winner is None
        assert (judgement.activity, judgement.reason) == (Activity.UNKNOWN, "")
    else:
        assert judgement.winner in fresh
        assert judgement.activity is judgement.winner.activity


@given(st.lists(claims, max_size=6))
def test_the_newest_wins_or_the_hook_that_tells_it_more_exactly(said: list[Claim]) -> None:
    """Of what was told by now; another time is one of before the clock was set back."""
    timed = [claim for claim in said if claim.at is not None and not is_expired(claim)]
    winner = judge(said, NOW).winner
    if not timed:
        return
    timed = [claim for claim in timed if (claim.at or 0.0) <= NOW + TOGETHER] or timed
    newest = max(claim.at or 0.0 for claim in timed)
    assert winner is not None
    assert winner.at is not None
    if winner.at != newest:
        assert winner.source == "hook"
        assert newest - winner.at <= TOGETHER
        assert any(
            claim.source == "live" and claim.at == newest and claim.activity in winner.refines
            for claim in timed
        )


def test_what_was_told_before_the_clock_was_set_back_is_old() -> None:
    year = 365 * 86400.0
    said = [hook(WORKING, NOW + year), live(IDLE, NOW)]
    assert judge(said, NOW).activity is IDLE
    assert judge(said[:1], NOW).activity is WORKING


@given(st.lists(claims, max_size=6))
def test_doubts_are_of_the_present_and_say_otherwise(said: list[Claim]) -> None:
    judgement = judge(said, NOW)
    for doubt in judgement.doubts:
        assert doubt.at is None
        assert doubt.source in ("title", "screen", "live", "hook")
        assert doubt.activity is not judgement.activity


@given(st.lists(claims, max_size=4, unique_by=lambda claim: (claim.source, claim.at)))
def test_the_order_in_which_things_are_said_does_not_matter(said: list[Claim]) -> None:
    told = {(judge(list(one), NOW).activity) for one in itertools.permutations(said)}
    same_time = len({claim.at for claim in said}) < len(said)
    assert same_time or len(told) <= 1


def test_without_any_claim_nothing_is_known() -> None:
    assert judge([], NOW) == Judgement(Activity.UNKNOWN)


def test_what_is_newer_wins_whoever_says_it() -> None:
    assert judge([live(IDLE, 5), hook(WORKING, 6)], NOW).activity is WORKING
    assert judge([live(IDLE, 7), hook(WORKING, 6)], NOW).activity is IDLE


def test_a_hook_tells_more_exactly_what_the_live_file_says_a_moment_later() -> None:
    asks = hook(APPROVAL, 5, "Bash: rm x", refines=(APPROVAL, QUESTION))
    judgement = judge([live(QUESTION, 5.2, reason="input needed"), asks], NOW)
    assert (judgement.activity, judgement.reason) == (APPROVAL, "Bash: rm x")
    assert judgement.winner is asks


@pytest.mark.parametrize(
    ("said", "activity"),
    [
        ([live(APPROVAL, 5 + TOGETHER)], QUESTION),
        ([live(APPROVAL, 5.01 + TOGETHER)], APPROVAL),
        ([live(IDLE, 5.2)], IDLE),
        ([live(APPROVAL, 5.2), hook(IDLE, 5.1)], APPROVAL),
        ([live(APPROVAL, 5.2), hook(IDLE, 4.9)], QUESTION),
    ],
    ids=["just together", "too late", "of another kind", "not the last hook", "the last hook"],
)
def test_a_hook_refines_only_its_own_change(said: list[Claim], activity: Activity) -> None:
    asks = hook(QUESTION, 5, refines=(APPROVAL, QUESTION))
    assert judge([asks, *said], NOW).activity is activity


def test_a_reason_is_taken_from_another_source_that_says_the_same() -> None:
    judgement = judge([live(LIMITED, 6), hook(LIMITED, 5, "until 9:59pm")], NOW)
    assert judgement.winner is not None
    assert judgement.winner.source == "live"
    assert judgement.reason == "until 9:59pm"


def test_what_has_expired_says_nothing_any_more() -> None:
    limited = Claim("hook", LIMITED, "hook StopFailure", at=NOW - 61, lasts=60)
    judgement = judge([limited, live(IDLE, NOW - 100)], NOW)
    assert (judgement.activity, judgement.expired) == (IDLE, (limited,))
    assert judge([limited], NOW).activity is Activity.UNKNOWN
    assert judge([limited._replace(at=NOW - 60)], NOW).activity is LIMITED


def test_the_screen_is_only_a_doubt_while_better_sources_speak() -> None:
    judgement = judge([live(IDLE, 5), shown(APPROVAL), shown(IDLE, "title")], NOW)
    assert judgement.activity is IDLE
    assert judgement.doubts == (shown(APPROVAL),)


def test_where_nobody_tells_a_time_a_screen_that_asks_beats_the_title() -> None:
    judgement = judge([shown(WORKING, "title"), shown(APPROVAL)], NOW)
    assert judgement.activity is APPROVAL
    assert judgement.doubts == (shown(WORKING, "title"),)


def test_otherwise_the_title_beats_the_screen_and_the_screen_the_process() -> None:
    process = Claim("process", STARTING, "no hook yet")
    assert judge([shown(WORKING), shown(IDLE, "title"), process], NOW).activity is IDLE
    assert judge([process, shown(WORKING)], NOW).activity is WORKING
    assert judge([process, shown(WORKING)], NOW).doubts == ()
    assert judge([process], NOW).activity is STARTING


def test_the_best_source_is_told_first_and_the_newest_of_each() -> None:
    said = [shown(IDLE), hook(IDLE, 1), hook(WORKING, 2), live(IDLE, 0.5)]
    assert [(one.source, one.at) for one in judge(said, NOW).claims] == [
        ("live", 0.5),
        ("hook", 2),
        ("hook", 1),
        ("screen", None),
    ]


def test_a_screen_is_looked_at_only_where_nobody_tells_a_time() -> None:
    assert is_silent([], NOW)
    assert is_silent([shown(IDLE), Claim("process", STARTING, "")], NOW)
    assert is_silent([Claim("hook", LIMITED, "", at=1.0, lasts=1.0)], NOW)
    assert not is_silent([hook(IDLE, 1.0)], NOW)


def asked(kind: Literal["startup", "question"]) -> Judgement:
    return Judgement(QUESTION, "", Claim("screen", QUESTION, "", dialog=Dialog(kind, "")))


@pytest.mark.parametrize(
    ("judgement", "past"),
    [
        (None, False),
        (Judgement(STARTING), False),
        (Judgement(Activity.UNKNOWN), True),
        (Judgement(IDLE), True),
        (asked("startup"), False),
        (asked("question"), True),
    ],
)  # fmt: skip
def test_an_agent_is_past_its_start_once_it_takes_prompts(
    judgement: Judgement | None, past: bool
) -> None:
    assert past_start(judgement) is past
