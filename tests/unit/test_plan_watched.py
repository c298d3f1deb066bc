"""What differs between a controller and a person who asks once."""

from typing import Any

import pytest
from plan_world import KEY, UP, agent, cave, dead, plan, project, remembered, running, session

from agentcave.model.desired import Desired
from agentcave.model.observed import History, Key, Observed
from agentcave.model.status import Activity, Judgement, Phase, Status
from agentcave.plan.desire import desire
from agentcave.plan.diff import diff
from agentcave.plan.status import Watch, status_of

NOW = 1_800_000_000.0
WATCH = UP._replace(now=NOW)
API = cave("api")
DOWN = remembered(API, intent="down")
STOPPED = remembered(API, intent="stopped", ended="stopped")


def desired(history: dict[Key, History], *, controller: bool = True) -> Desired:
    return desire(project(API), history, KEY, heeds_down=controller)


def test_a_controller_leaves_alone_what_somebody_has_taken_down() -> None:
    seen = plan(desired(DOWN), history=DOWN, request=WATCH)
    assert (seen.steps, seen.wake_at, seen.waiting) == ((), None, ())


def test_a_controller_ends_what_came_up_although_it_was_taken_down() -> None:
    seen = plan(desired(DOWN), running(API), history=DOWN, request=WATCH._replace(cause="down"))
    assert seen.steps_text() == "[] -> #1 stop-session api/claude, down"


def test_the_next_up_starts_what_was_taken_down() -> None:
    seen = plan(desired(DOWN, controller=False), history=DOWN, request=UP)
    assert seen.steps_text() == "[] -> #1 start-session api/claude, missing"


def test_what_is_stopped_stays_that_for_both() -> None:
    for controller, request in ((True, WATCH), (False, UP)):
        seen = plan(desired(STOPPED, controller=controller), history=STOPPED, request=request)
        assert seen.steps == ()


def test_a_stop_is_heeded_by_no_one_who_names_the_agent() -> None:
    named = desire(project(API), DOWN, KEY, revive={("api", "claude")}, heeds_down=True)
    seen = plan(named, history=DOWN, request=WATCH)
    assert seen.steps_text() == "[] -> #1 start-session api/claude, missing"


def test_nothing_is_planned_from_what_cannot_be_seen() -> None:
    seen = diff(desired({}), Observed(unreachable="no answer"), WATCH, KEY)
    assert (seen.steps, seen.wake_at, seen.waiting) == ((), None, ())


@pytest.mark.parametrize("believed", [False, True])
def test_what_left_the_file_goes_once_that_is_believed(believed: bool) -> None:
    seen = plan(
        desired({}),
        running(API),
        session("old", number=2),
        history=remembered(API),
        request=WATCH._replace(orphans=believed),
    )
    gone = "[] -> #1 stop-session old/claude, not in caves.yaml, workspace kept"
    assert seen.steps_text() == (gone if believed else "")


@pytest.mark.parametrize(
    "held", [{"attached": True}, {"judged": Judgement(Activity.WORKING)}], ids=["attached", "busy"]
)
def test_what_left_the_file_is_held_like_drift(held: dict[str, Any]) -> None:
    judged = {"s2": held["judged"]} if "judged" in held else {}
    old = session("old", number=2, attached=held.get("attached", False))
    seen = plan(
        desired({}), running(API), old, history=remembered(API), judged=judged, request=WATCH
    )
    assert [step.outcome for step in seen.steps] == ["held"]


def told(exit_status: int, watch: Watch | None, **past: Any) -> Status:
    """What `ps` says of the agent when it has ended."""
    (one,) = desired({}).caves["api"].agents
    known = History(session="s1", ended="failed", started=int(NOW) - 5, ended_at=NOW, **past)
    return status_of(one, dead(API, exit_status), known, watch=watch)


def test_without_a_controller_a_failure_says_how_to_get_one() -> None:
    seen = told(3, None)
    assert seen.phase is Phase.FAILED
    assert "`agentcave up --watch`" in seen.reason
    assert seen.due is None


def test_with_a_controller_it_is_backing_off_until_then() -> None:
    seen = told(3, Watch(NOW), streak=1)
    assert seen.phase is Phase.BACKOFF
    assert seen.due is not None
    assert NOW + 9 <= seen.due <= NOW + 10
    assert seen.reason.startswith("exit 3; restart 2 of 5 in ")


def test_a_restart_that_is_overdue_is_due_in_no_time() -> None:
    seen = told(3, Watch(NOW + 1000), streak=1)
    assert seen.reason == "exit 3; restart 2 of 5 in 0 s"


def test_one_that_was_given_up_has_failed_and_says_how_to_start_it() -> None:
    seen = told(3, Watch(NOW), streak=5)
    assert seen.phase is Phase.FAILED
    assert seen.reason == ("exit 3; given up after 5 of 5 restarts; `agentcave up` starts it again")


def test_one_that_has_completed_is_neither_failed_nor_backing_off() -> None:
    assert told(0, Watch(NOW)).phase is Phase.COMPLETED


def test_one_whose_cave_waits_says_what_for() -> None:
    (one,) = desired({}).caves["api"].agents
    waits = status_of(one, None, History(), watch=Watch(NOW, "db to be ready"))
    assert (waits.phase, waits.reason) == (Phase.WAITING, "waits for db to be ready")
    assert status_of(one, None, History(), watch=Watch(NOW)).phase is Phase.PENDING
    assert status_of(one, None, History()).phase is Phase.PENDING


def test_one_whose_session_was_taken_away_says_when_it_is_put_back() -> None:
    (one,) = desired({}).caves["api"].agents
    past = History(session="s1", started=int(NOW) - 5, ended_at=NOW, streak=1)
    seen = status_of(one, None, past, watch=Watch(NOW + 3))
    assert seen.phase is Phase.BACKOFF
    assert seen.reason in [f"its session was taken away; put back in {n} s" for n in (6, 7)]
    assert status_of(one, None, past).phase is Phase.PENDING
    left_alone = past._replace(intent="down")
    assert status_of(one, None, left_alone, watch=Watch(NOW)).phase is Phase.PENDING


def test_agents_of_one_cave_each_have_their_own_clock() -> None:
    both = cave("api", agent("claude"), agent("codex"))
    ends = {"ended": "failed", "exit_status": 1, "started": int(NOW) - 5, "ended_at": NOW}
    past = remembered(both, **ends, streak=1)
    past[("api", "codex")] = past[("api", "claude")]._replace(streak=0)
    other = dead(both, 1, number=2)
    other = other._replace(stamp=other.stamp._replace(agent="codex"))
    wanted = desire(project(both), past, KEY, heeds_down=True)
    seen = plan(wanted, dead(both, 1), other, history=past, request=WATCH)
    assert seen.steps_text() == "[] -> #1 start-session api/codex, exit 1, restart 1 of 5"
    assert seen.wake_at is not None
