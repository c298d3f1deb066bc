"""Dependencies, for a controller: it looks who is there, and never waits within a pass."""

from typing import Any

import pytest
from plan_world import OLD, UP, agent, cave, dead, plan, remembered, running, wanted, world

from agentcave.model.observed import ObservedSession
from agentcave.model.spec import CaveSpec, Dependency, RestartSpec
from agentcave.plan.conditions import asked_ready
from agentcave.plan.plan import Plan

NOW = 1_800_000_000.0
WATCH = UP._replace(now=NOW)
DB = cave("db")
START = "[] -> #1 start-session api/claude, missing"


def api(condition: Any, *more: Dependency) -> CaveSpec:
    return cave("api", depends_on=(Dependency("db", condition), *more))


def seen_by(one: CaveSpec, *sessions: ObservedSession, **fields: Any) -> Plan:
    """The plan of a controller for ``db`` and for one that depends on it."""
    return plan(wanted(DB, one), *sessions, request=WATCH, **fields)


@pytest.mark.parametrize("condition", ["started", "ready", "completed"])
def test_a_cave_waits_for_what_is_not_there_and_the_dependency_starts(condition: str) -> None:
    seen = seen_by(api(condition))
    assert seen.steps_text() == "[] -> #1 start-session db/claude, missing"
    assert seen.waiting == (("api", f"waits for db to be {condition}"),)


def test_one_that_runs_is_started() -> None:
    seen = seen_by(api("started"), running(DB))
    assert seen.steps_text() == START
    assert seen.waiting == ()


def test_one_that_runs_is_not_ready_by_that_alone() -> None:
    waits = seen_by(api("ready"), running(DB))
    assert waits.steps == ()
    assert waits.waiting == (("api", "waits for db to be ready"),)
    goes_on = seen_by(api("ready"), running(DB), ready=frozenset({("db", "claude")}))
    assert goes_on.steps_text() == START
    assert goes_on.steps[0].conditions == ()


@pytest.mark.parametrize("condition", ["started", "ready", "completed"])
def test_one_that_has_completed_is_enough_for_all_conditions(condition: str) -> None:
    there = seen_by(api(condition), dead(DB, 0))
    assert there.steps_text() == START
    gone = seen_by(api(condition), history=remembered(DB, ended="completed", exit_status=0))
    assert gone.steps_text() == START


def test_one_that_runs_has_not_completed_even_when_it_is_ready() -> None:
    seen = seen_by(api("completed"), running(DB), ready=frozenset({("db", "claude")}))
    assert seen.steps == ()
    assert seen.waiting == (("api", "waits for db to be completed"),)


@pytest.mark.parametrize("condition", ["started", "ready", "completed"])
def test_one_that_has_failed_is_waited_for(condition: str) -> None:
    past = remembered(DB, ended="failed", exit_status=1, ended_at=NOW, streak=5)
    seen = seen_by(api(condition), dead(DB, 1), history=past)
    assert seen.steps == ()
    assert seen.waiting == (("api", f"waits for db to be {condition}"),)


def test_exit_0_completes_nobody_who_is_to_be_there_always() -> None:
    always = cave("db", agent(restart=RestartSpec("always")))
    past = remembered(always, ended="failed", exit_status=0, ended_at=NOW, streak=1)
    seen = plan(wanted(always, api("completed")), dead(always, 0), history=past, request=WATCH)
    assert seen.steps == ()
    assert seen.waiting == (("api", "waits for db to be completed"),)


def test_all_that_is_waited_for_is_named() -> None:
    both = api("ready", Dependency("web", "completed"))
    seen = plan(wanted(DB, cave("web"), both), running(DB), request=WATCH)
    assert seen.steps_text() == "[] -> #1 start-session web/claude, missing"
    assert seen.waiting == (("api", "waits for db to be ready, web to be completed"),)


def test_every_agent_of_a_dependency_is_waited_for() -> None:
    two = cave("db", agent("claude"), agent("codex"))
    seen = plan(wanted(two, api("started")), running(two), request=WATCH)
    assert seen.steps_text() == "[] -> #1 start-session db/codex, missing"
    assert seen.waiting == (("api", "waits for db to be started"),)


def test_a_cave_that_runs_keeps_running_while_its_dependency_is_away() -> None:
    one = api("started")
    past = remembered(DB, ended="failed", exit_status=1, ended_at=NOW, streak=5)
    seen = seen_by(one, dead(DB, 1), running(one, number=2), history=past)
    assert seen.steps == ()
    assert seen.waiting == ()


def test_a_cave_that_runs_is_restarted_for_drift_though_its_dependency_is_away() -> None:
    one = api("ready")
    old = running(one, number=2)
    drifted = old._replace(stamp=old.stamp._replace(digest=OLD))
    history = {**remembered(DB), **remembered(cave("api", agent(model="opus")))}
    seen = seen_by(one, running(DB), drifted, history=history)
    assert seen.steps_text() == "[] -> #1 restart-session api/claude, model changed"
    assert seen.waiting == ()


def test_a_dead_agent_of_a_cave_that_waits_is_not_restarted_beside_the_one_that_runs() -> None:
    both = api("ready")._replace(agents=(agent("claude"), agent("codex")))
    seen = seen_by(both, running(DB), running(both, number=2))
    assert seen.steps == ()
    assert seen.waiting == (("api", "waits for db to be ready"),)


def test_what_a_completed_or_stopped_cave_depends_on_is_nothing_to_wait_for() -> None:
    one = api("ready")
    done = remembered(one, ended="completed", exit_status=0)
    assert seen_by(one, running(DB), history=done).waiting == ()
    stopped = remembered(one, intent="stopped", ended="stopped")
    desired = wanted(DB, one, history=stopped)
    assert plan(desired, running(DB), history=stopped, request=WATCH).waiting == ()


def test_a_person_who_asks_waits_within_the_pass() -> None:
    one = api("ready")
    seen = plan(wanted(DB, one), request=UP)
    assert [step.conditions for step in seen.steps] == [(), (("db", "ready"),)]
    assert seen.waiting == ()


def asked(*sessions: ObservedSession, condition: str = "ready") -> list[tuple[str, str]]:
    desired = wanted(DB, api(condition))
    return [one.key for one in asked_ready(desired, world(desired, *sessions))]


def test_readiness_is_asked_of_those_that_run_and_are_waited_for() -> None:
    assert asked(running(DB)) == [("db", "claude")]
    assert asked() == []
    assert asked(dead(DB, 0)) == []
    assert asked(running(DB), condition="started") == []
    assert asked(running(DB), running(api("ready"), number=2)) == []
