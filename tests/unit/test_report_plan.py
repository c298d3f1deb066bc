"""The plan and what became of it, as people and scripts read them."""

import json
from textwrap import dedent

import pytest
from plan_world import agent, cave, missing, plan, remembered, running, session, there, wanted

from agentcave.apply.events import Event, Result
from agentcave.model.observed import ObservedContext, SeedChange
from agentcave.plan.plan import Plan
from agentcave.report.json import outcome_json, plan_json
from agentcave.report.outcome import failures, notes, render_outcome
from agentcave.report.plan import render_plan, render_summary


def busy_plan() -> Plan:
    """One cave of every kind."""
    api, web, docs, held, kept = map(cave, ("api", "web", "docs", "held", "kept"))
    changed = web._replace(environment={"API_URL": "x"})
    return plan(
        wanted(api, changed, docs, cave("migrate"), held, kept),
        running(web, number=2),
        running(docs, number=3),
        session("held", number=4, attached=True),
        running(kept, number=5),
        session("old", number=6),
        history=remembered(web),
        workspaces={
            "api": missing("api"),
            "migrate": missing("migrate", problem="branch cave/migrate is checked out"),
        },
        contexts={
            "api": ObservedContext(
                (
                    SeedChange(".gitignore", "create", "missing"),
                    SeedChange("background.md", "create", "missing"),
                    SeedChange("plan.md", "create", "missing"),
                )
            ),
            "docs": ObservedContext(
                (
                    SeedChange("plan.md", "update", "source changed"),
                    SeedChange("notes.md", "keep", "edited by the agent"),
                )
            ),
        },
    )


def test_a_plan_says_for_each_cave_what_is_done_and_why() -> None:
    assert render_plan(busy_plan()) == dedent("""\
        shop  caves.yaml  7 caves
           + api       create worktree .agentcave/caves/api on cave/api from main@3f2c1d
                       seed background.md, plan.md
                       start claude                             missing
         -/+ web       restart claude                           environment.API_URL changed
           ~ docs      update plan.md                           source changed
           ! migrate   refused: branch cave/migrate is checked out
           = held      restart claude  held: somebody is attached to it;\
 `--force` does it all the same
           - old       stop claude                              not in caves.yaml, workspace kept
             docs      notes.md kept: edited by the agent
        1 to create, 1 to restart, 1 to update, 1 to remove, 1 refused, 1 held, 1 unchanged""")


def test_a_plan_shows_what_is_copied_and_linked_into_a_new_workspace() -> None:
    api = cave("api")
    api = api._replace(workspace=api.workspace._replace(copy=(".env", "certs"), link=("data",)))
    shown = render_plan(plan(wanted(api), workspaces={"api": missing("api")}))
    assert " on cave/api from main@3f2c1d, copy .env, certs, link data\n" in shown


def test_a_plan_without_steps_is_its_summary() -> None:
    assert render_plan(plan(wanted(cave("api")), running(cave("api")))) == dedent("""\
        shop  caves.yaml  1 cave
        0 to create, 0 to restart, 0 to update, 0 to remove, 0 refused, 0 held, 1 unchanged""")


def test_colours_are_only_there_when_asked_for() -> None:
    assert "\x1b" not in render_plan(busy_plan())
    assert "\x1b[32m" in render_plan(busy_plan(), color=True)


def test_a_plan_shows_no_control_characters() -> None:
    problem = {"api": there("api", problem="\x1b[2Jbad\rnews\x07")}
    shown = render_plan(plan(wanted(cave("api")), workspaces=problem))
    assert "refused: bad news" in shown.replace("badnews", "bad news")
    assert all(character.isprintable() or character == "\n" for character in shown)


def test_the_summary_counts_each_cave_once_worst_class_first() -> None:
    assert busy_plan().summary() == {
        "create": 1,
        "restart": 1,
        "update": 1,
        "remove": 1,
        "refuse": 1,
        "hold": 1,
        "keep": 1,
    }
    assert render_summary(busy_plan().summary()).startswith("1 to create, 1 to restart")


@pytest.mark.parametrize(("steps", "code"), [("busy", 1), ("planned", 2), ("none", 0)])
def test_the_detailed_exit_code_tells_blocked_from_planned_from_nothing(
    steps: str, code: int
) -> None:
    api = cave("api")
    plans = {
        "busy": busy_plan(),
        "planned": plan(wanted(api)),
        "none": plan(wanted(api), running(api)),
    }
    assert plans[steps].exit_code() == code


def test_the_json_of_a_plan_is_that_of_the_contract() -> None:
    told = json.loads(plan_json(plan(wanted(cave("api")), workspaces={"api": missing("api")})))
    assert told["project"] == "shop"
    assert told["uid"] == "u1"
    assert told["steps"] == [
        {
            "id": 1,
            "action": "create-workspace",
            "cave": "api",
            "agent": None,
            "cause": "missing",
            "after": [],
            "outcome": "planned",
            "error": None,
        },
        {
            "id": 2,
            "action": "start-session",
            "cave": "api",
            "agent": "claude",
            "cause": "missing",
            "after": [1],
            "outcome": "planned",
            "error": None,
        },
    ]
    assert told["summary"] == {
        "create": 1,
        "restart": 0,
        "update": 0,
        "remove": 0,
        "refuse": 0,
        "hold": 0,
        "keep": 0,
    }


def test_json_is_ascii_whatever_is_in_it() -> None:
    odd = plan(wanted(cave("api")), workspaces={"api": there("api", problem="\x1b[31m ü \u202e")})
    assert plan_json(odd).isascii()
    assert "\x1b" not in plan_json(odd)


def ended(one: Plan, **results: Result) -> list[Event]:
    return [
        Event(1.0, step, results.get(step.cave, "done"), "no\x1b[31m space" if results else None)
        for step in one.steps
    ]


def test_the_outcome_is_one_line_that_counts_what_became_of_the_caves() -> None:
    one = plan(wanted(cave("api"), cave("web"), cave("docs")), running(cave("docs")))
    assert render_outcome(one, ended(one)) == "shop: 2 started, 1 unchanged"
    assert render_outcome(one, ended(one, web="failed")) == "shop: 1 started, 1 unchanged, 1 failed"
    assert render_outcome(one, ended(one, web="skipped", api="failed")) == (
        "shop: 1 unchanged, 2 failed"
    )


def test_a_seed_that_was_kept_after_all_is_not_told_as_updated() -> None:
    changes = tuple(SeedChange(name, "update", "source changed") for name in ("a.md", "b.md"))
    docs = cave("docs")
    one = plan(wanted(docs), running(docs), contexts={"docs": ObservedContext(changes)})

    def kept(*names: str) -> list[Event]:
        return [event._replace(kept=names) for event in ended(one)]

    assert render_outcome(one, kept()) == render_outcome(one, kept("a.md")) == "shop: 1 updated"
    assert render_outcome(one, kept("a.md", "b.md")) == "shop: 1 unchanged"
    assert notes(one, kept("a.md")) == [("docs", "a.md kept: the agent has just edited it")]
    assert "a.md kept" in json.loads(outcome_json(one, kept("a.md")))["notes"][0]["note"]


def test_an_outcome_of_nothing_says_so() -> None:
    empty = plan(wanted())
    assert render_outcome(empty, []) == "shop: nothing declared"


def test_what_was_not_done_is_told_with_the_reason() -> None:
    one = plan(wanted(cave("api", agent("codex")), cave("web")))
    assert failures(ended(one, api="failed"), "/p/caves.yaml") == [
        "api: start codex failed: no space"
    ]
    assert json.loads(outcome_json(one, ended(one, api="failed")))["steps"][0]["outcome"] == (
        "failed"
    )
