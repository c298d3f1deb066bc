"""What a controller plans for agents that have ended, as text."""

from typing import Any

import pytest
from plan_world import OLD, UP, agent, cave, dead, plan, remembered, running, wanted

from agentcave.model.desired import Request
from agentcave.model.spec import CaveSpec, RestartSpec
from agentcave.plan.actions import StartSession
from agentcave.plan.plan import Plan

NOW = 1_800_000_000.0
WATCH = UP._replace(now=NOW)
"""What a controller asks, but for its first pass."""
RETRY = RestartSpec("on-failure", initial=10.0, max_restarts=5)


def declared(policy: Any = "on-failure") -> CaveSpec:
    return cave("api", agent(restart=RETRY._replace(policy=policy)))


def after(one: CaveSpec, code: int | None, request: Request = WATCH, **past: Any) -> Plan:
    """The plan when the only agent has ended so, five seconds after its start."""
    outcome = "completed" if code == 0 and one.agents[0].restart.policy != "always" else "failed"
    known = {"started": int(NOW) - 5, "ended_at": NOW, "ended": outcome, "exit_status": code}
    return plan(
        wanted(one),
        dead(one, code),
        history=remembered(one, **{**known, **past}),
        request=request,
    )


def vanished(one: CaveSpec, request: Request = WATCH, **past: Any) -> Plan:
    """The plan when the pane has gone, and how the agent ended is not known."""
    known = {"started": int(NOW) - 5, "ended_at": NOW}
    return plan(wanted(one), history=remembered(one, **{**known, **past}), request=request)


def streak_of(seen: Plan) -> int | None:
    (step,) = seen.steps
    assert isinstance(step.action, StartSession)
    return step.action.streak


@pytest.mark.parametrize(
    ("policy", "code", "planned"),
    [
        ("never", 0, ""),
        ("never", 3, ""),
        ("never", None, ""),
        ("on-failure", 0, ""),
        ("on-failure", 3, "[] -> #1 start-session api/claude, exit 3, restart 1 of 5"),
        (
            "on-failure",
            None,
            "[] -> #1 start-session api/claude, ended, exit status unknown, restart 1 of 5",
        ),
        ("always", 0, "[] -> #1 start-session api/claude, exit 0, restart 1 of 5"),
        ("always", 3, "[] -> #1 start-session api/claude, exit 3, restart 1 of 5"),
    ],
)
def test_what_has_just_ended_comes_back_as_its_policy_says(
    policy: str, code: int | None, planned: str
) -> None:
    seen = after(declared(policy), code)
    assert seen.steps_text() == planned
    assert seen.wake_at is None


def test_a_restart_that_is_not_due_yet_is_looked_at_again_when_it_is() -> None:
    seen = after(declared(), 1, streak=1)
    assert seen.steps == ()
    assert seen.wake_at is not None
    assert NOW + 9 <= seen.wake_at <= NOW + 10


def test_a_restart_is_planned_once_its_time_has_come_and_counts() -> None:
    due = after(declared(), 1, streak=1).wake_at
    assert due is not None
    early = after(declared(), 1, WATCH._replace(now=due - 0.001), streak=1)
    seen = after(declared(), 1, WATCH._replace(now=due), streak=1)
    assert early.steps == ()
    assert seen.steps_text() == "[] -> #1 start-session api/claude, exit 1, restart 2 of 5"
    assert streak_of(seen) == 1
    assert seen.wake_at is None


def test_the_one_that_is_due_first_says_when_to_look_again() -> None:
    one, two = declared(), cave("web", agent(restart=RETRY))
    ends = {"ended": "failed", "exit_status": 1, "started": int(NOW) - 50, "streak": 1}
    history = {**remembered(one, ended_at=NOW, **ends), **remembered(two, ended_at=NOW - 4, **ends)}
    sessions = dead(one, 1), dead(two, 1, number=2)
    seen = plan(wanted(one, two), *sessions, history=history, request=WATCH)
    assert seen.wake_at is not None
    assert NOW + 5 <= seen.wake_at <= NOW + 6


def test_one_that_was_given_up_stays_down_and_nothing_is_waited_for() -> None:
    seen = after(declared(), 1, WATCH._replace(now=NOW + 1e6), streak=5)
    assert seen.steps == ()
    assert seen.wake_at is None


@pytest.mark.parametrize("policy", ["never", "on-failure", "always"])
def test_a_changed_declaration_starts_at_once_and_counts_as_no_restart(policy: str) -> None:
    one = declared(policy)
    for code in (0, 3):
        seen = plan(
            wanted(one),
            running(one)
            ._replace(dead=True, exit_status=code)
            ._replace(stamp=running(one).stamp._replace(digest=OLD)),
            history=remembered(one, digest=OLD, ended="failed", ended_at=NOW, streak=5),
            request=WATCH,
        )
        done = code == 0 and policy != "always"
        why = "changed since it completed" if done else f"exit {code}"
        assert seen.steps_text() == f"[] -> #1 start-session api/claude, {why}"
        assert streak_of(seen) is None


@pytest.mark.parametrize("policy", ["never", "on-failure", "always"])
def test_what_was_taken_away_is_put_back_whatever_its_policy(policy: str) -> None:
    seen = vanished(declared(policy))
    assert seen.steps_text() == "[] -> #1 start-session api/claude, missing, put back"
    assert streak_of(seen) == 0


def test_what_is_taken_away_again_and_again_is_put_back_ever_later_and_never_given_up() -> None:
    one = declared("never")
    seen = vanished(one, streak=7)
    assert seen.steps == ()
    assert seen.wake_at is not None
    assert NOW + 270 <= seen.wake_at <= NOW + 300
    late = vanished(one, WATCH._replace(now=seen.wake_at), streak=7)
    assert late.steps_text() == "[] -> #1 start-session api/claude, missing, put back"
    assert streak_of(late) == 7


def test_what_never_ran_is_missing() -> None:
    seen = plan(wanted(declared()), request=WATCH)
    assert seen.steps_text() == "[] -> #1 start-session api/claude, missing"
    assert streak_of(seen) is None


def test_a_completed_agent_whose_pane_has_gone_stays_completed() -> None:
    seen = vanished(declared(), ended="completed", exit_status=0)
    assert seen.steps == ()
    assert seen.wake_at is None


def test_an_agent_whose_failure_is_only_remembered_keeps_its_policy() -> None:
    assert vanished(declared("never"), ended="failed", exit_status=3).steps == ()
    seen = vanished(declared(), ended="failed", exit_status=3)
    assert seen.steps_text() == "[] -> #1 start-session api/claude, exit 3, restart 1 of 5"


@pytest.mark.parametrize("past", [{"streak": 5}, {"streak": 3}])
def test_a_controller_that_begins_starts_what_has_failed_as_a_person_would(
    past: dict[str, int],
) -> None:
    for policy in ("never", "on-failure"):
        seen = after(declared(policy), 3, WATCH._replace(anew=True), **past)
        assert seen.steps_text() == "[] -> #1 start-session api/claude, exit 3"
        assert streak_of(seen) is None
    back = vanished(declared("never"), WATCH._replace(anew=True), **past)
    assert back.steps_text() == "[] -> #1 start-session api/claude, missing"


def test_a_controller_that_begins_leaves_the_completed_alone_but_for_those_it_was_named() -> None:
    first = WATCH._replace(anew=True)
    assert after(declared(), 0, first).steps == ()
    named = first._replace(revive=frozenset({("api", "claude")}))
    seen = after(declared(), 0, named)
    assert seen.steps_text() == "[] -> #1 start-session api/claude, exit 0"


def test_a_person_who_asks_waits_for_no_back_off() -> None:
    seen = after(declared(), 1, UP, streak=5)
    assert seen.steps_text() == "[] -> #1 start-session api/claude, exit 1"
    assert streak_of(seen) is None
    assert seen.wake_at is None


def test_one_that_runs_is_left_alone() -> None:
    one = declared()
    seen = plan(wanted(one), running(one), history=remembered(one), request=WATCH)
    assert (seen.steps, seen.wake_at, seen.waiting) == ((), None, ())


def test_one_that_is_stopped_by_hand_does_not_come_back() -> None:
    one = declared("always")
    history = remembered(one, intent="stopped", ended="stopped", ended_at=NOW)
    seen = plan(wanted(one, history=history), history=history, request=WATCH)
    assert (seen.steps, seen.wake_at) == ((), None)
