"""Plans of ``up``, as text."""

from textwrap import dedent
from typing import Any

import pytest
from plan_world import (
    KEY,
    OLD,
    UP,
    agent,
    cave,
    dead,
    digest_of,
    missing,
    plan,
    project,
    remembered,
    running,
    session,
    text,
    there,
    wanted,
    world,
)

from agentcave.model.desired import Request
from agentcave.model.observed import (
    History,
    Observed,
    ObservedContext,
    ObservedSession,
    SeedChange,
    WorkspaceRecord,
)
from agentcave.model.spec import (
    CaveSpec,
    Dependency,
    ReadySpec,
    RestartSpec,
    ScreenRule,
    Secret,
    StopSpec,
)
from agentcave.model.status import Activity, Claim, Dialog, Judgement
from agentcave.plan.desire import desire
from agentcave.plan.diff import diff
from agentcave.plan.places import setup_fingerprint

API = cave("api")


def lines(block: str) -> str:
    return dedent(block).strip("\n")


def test_what_is_missing_is_made_from_the_ground_up() -> None:
    one = cave("api", agent("claude"), agent("codex"), setup=(("npm", "ci"),))
    seeds = (SeedChange("plan.md", "create", "missing"),)
    planned = text(
        wanted(one),
        workspaces={"api": missing("api")},
        contexts={"api": ObservedContext(seeds)},
    )
    assert planned == lines("""
        [] -> #1 create-workspace api, missing
        [1] -> #2 run-setup api, new workspace
        [2] -> #3 seed-context api, missing
        [3] -> #4 start-session api/claude, missing
        [3] -> #5 start-session api/codex, missing
    """)


def test_what_is_as_declared_is_left_alone() -> None:
    seen = plan(wanted(API), running(API), history=remembered(API))
    assert seen.steps_text() == ""
    assert seen.exit_code() == 0
    assert seen.summary()["keep"] == 1


def test_a_half_made_workspace_is_made_again() -> None:
    planned = text(wanted(API), workspaces={"api": there("api", half_made=True)})
    assert planned == lines("""
        [] -> #1 create-workspace api, half made
        [1] -> #2 start-session api/claude, missing
    """)


def test_nothing_is_planned_from_what_cannot_be_seen() -> None:
    seen = diff(wanted(API), Observed(unreachable="no answer"), UP, KEY)
    assert seen.steps_text() == ""


@pytest.mark.parametrize(
    "change",
    [
        {"description": "new"},
        {"profiles": ("backend",)},
        {"depends_on": (Dependency("db", required=False),)},
        {"agents": (agent(ready=ReadySpec("delay", 3.0)),)},
        {"agents": (agent(restart=RestartSpec("always")),)},
        {"agents": (agent(stop=StopSpec(signal="INT")),)},
        {"agents": (agent(resume="never"),)},
        {"agents": (agent(prompt="Another one"),)},
        {"agents": (agent(screen=(ScreenRule("idle", "x"),)),)},
        {"workspace": API.workspace._replace(on_remove="remove-if-clean")},
        {"workspace": API.workspace._replace(disposable=("node_modules",))},
        {"workspace": API.workspace._replace(base="dev", copy=(".env",), link=("data",))},
    ],
)
def test_these_changes_touch_no_running_session(change: dict[str, Any]) -> None:
    assert text(wanted(API._replace(**change)), running(API), history=remembered(API)) == ""


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"agents": (agent(type="command"),)}, "type"),
        ({"agents": (agent(command=("npx", "x")),)}, "command"),
        ({"agents": (agent(args=("-v",)),)}, "args"),
        ({"agents": (agent(working_dir="web"),)}, "working_dir"),
        ({"agents": (agent(model="opus"),)}, "model"),
        ({"agents": (agent(permission_mode="plan"),)}, "permission_mode"),
        ({"agents": (agent(trust_workspace=True),)}, "trust_workspace"),
        ({"agents": (agent(environment={"A": "1"}),)}, "environment.A"),
        ({"agents": (agent(environment={"A": None}),)}, "environment.A"),
        ({"agents": (agent(secrets=(Secret("T", "env", "T"),)),)}, "secrets.T"),
        ({"environment": {"A": "1"}}, "environment.A"),
        ({"inherit_environment": ("PATH",)}, "inherit_environment"),
        ({"inherit_environment": ()}, "inherit_environment"),
        ({"secrets": (Secret("T", "command", ("pass", "t")),)}, "secrets.T"),
    ],
)
def test_these_changes_restart_a_running_session(change: dict[str, Any], cause: str) -> None:
    planned = text(wanted(API._replace(**change)), running(API), history=remembered(API))
    assert planned == f"[] -> #1 restart-session api/claude, {cause} changed"


def test_a_changed_value_of_an_env_file_restarts() -> None:
    desired = desire(project(API, env={"A": "1"}), {}, KEY)
    planned = text(desired, running(API), history=remembered(API))
    assert planned == "[] -> #1 restart-session api/claude, environment.A changed"


def test_drift_without_a_memory_of_the_fields_is_drift_all_the_same() -> None:
    planned = text(wanted(API), session("api", digest=OLD))
    assert planned == "[] -> #1 restart-session api/claude, the declaration changed"


@pytest.mark.parametrize("stamped", ["other:0123", ""])
def test_with_the_key_lost_nothing_restarts(stamped: str) -> None:
    assert text(wanted(API), session("api", digest=stamped)) == ""


def test_a_new_size_is_given_to_the_live_session() -> None:
    bigger = cave("api", agent(size=(250, 60)))
    planned = text(wanted(bigger), running(API), history=remembered(API))
    assert planned == "[] -> #1 resize-session api/claude, size changed"


@pytest.mark.parametrize(
    ("exit_status", "policy", "planned"),
    [
        (0, "on-failure", ""),
        (0, "never", ""),
        (0, "always", "[] -> #1 start-session api/claude, exit 0"),
        (1, "on-failure", "[] -> #1 start-session api/claude, exit 1"),
        (1, "never", "[] -> #1 start-session api/claude, exit 1"),
        (None, "never", "[] -> #1 start-session api/claude, ended, exit status unknown"),
    ],
)
def test_up_starts_what_failed_and_leaves_what_is_complete(
    exit_status: int | None, policy: Any, planned: str
) -> None:
    one = cave("api", agent(restart=RestartSpec(policy)))
    assert text(wanted(one), dead(one, exit_status)) == planned


def test_what_was_killed_says_so() -> None:
    planned = text(wanted(API), dead(API, None, signal=9))
    assert planned == "[] -> #1 start-session api/claude, ended by SIGKILL"


def test_a_completed_agent_starts_again_when_its_cave_is_named() -> None:
    request = Request(only=frozenset({("api", "claude")}), revive=frozenset({("api", "claude")}))
    planned = text(wanted(API), dead(API, 0), request=request)
    assert planned == "[] -> #1 start-session api/claude, exit 0"


def test_a_completed_agent_starts_again_when_it_has_changed() -> None:
    planned = text(wanted(API), session("api", digest=OLD, dead=True, exit_status=0))
    assert planned == "[] -> #1 start-session api/claude, changed since it completed"


def test_a_completed_agent_whose_pane_is_gone_is_left_alone() -> None:
    past = remembered(API, ended="completed", exit_status=0)
    assert text(wanted(API), history=past) == ""


def test_a_failed_agent_whose_pane_is_gone_starts_again() -> None:
    past = remembered(API, ended="failed", exit_status=4)
    assert text(wanted(API), history=past) == "[] -> #1 start-session api/claude, exit 4"


def test_what_was_stopped_by_hand_stays_stopped() -> None:
    past = remembered(API, intent="stopped", ended="stopped")
    desired = wanted(API, history=past)
    assert text(desired, history=past) == ""
    assert text(desired, running(API), history=past) == "[] -> #1 stop-session api/claude, up"


def test_an_attached_session_is_held_until_it_is_left_or_forced() -> None:
    drifted = session("api", digest=OLD, attached=True)
    held = plan(wanted(API), drifted)
    assert held.steps_text() == (
        "[] -> #1 restart-session api/claude, the declaration changed "
        "[held: somebody is attached to it; `--force` does it all the same]"
    )
    assert held.exit_code() == 1
    forced = plan(wanted(API), drifted, request=UP._replace(force=True))
    assert [step.outcome for step in forced.steps] == ["planned"]


def test_an_agent_whose_workspace_was_deleted_moves_into_the_new_one() -> None:
    lost, gone = running(API, uprooted=True), {"api": missing("api")}
    assert text(wanted(API), lost, workspaces=gone) == lines("""
        [] -> #1 create-workspace api, missing
        [1] -> #2 restart-session api/claude, its workspace was deleted""")
    held = plan(wanted(API), lost._replace(attached=True))
    assert [step.outcome for step in held.steps] == ["held"]


@pytest.mark.parametrize("activity", list(Activity))
def test_a_session_in_the_middle_of_a_turn_is_held_until_it_is_idle_or_forced(
    activity: Activity,
) -> None:
    drifted = session("api", digest=OLD)
    doing = {"s1": Judgement(activity)}
    seen = plan(wanted(API), drifted, judged=doing)
    if activity in (Activity.WORKING, Activity.APPROVAL, Activity.QUESTION):
        assert seen.steps_text() == (
            "[] -> #1 restart-session api/claude, the declaration changed "
            f"[held: it is mid-turn ({activity}); `--force` does it all the same]"
        )
    else:
        assert [step.outcome for step in seen.steps] == ["planned"]
    forced = plan(wanted(API), drifted, judged=doing, request=UP._replace(force=True))
    assert [step.outcome for step in forced.steps] == ["planned"]


def test_a_dialog_before_the_start_is_not_the_middle_of_a_turn() -> None:
    asked = Claim("screen", Activity.QUESTION, "", dialog=Dialog("startup", "trust?"))
    doing = {"s1": Judgement(Activity.QUESTION, "trust?", asked)}
    seen = plan(wanted(API), session("api", digest=OLD), judged=doing)
    assert [step.outcome for step in seen.steps] == ["planned"]


TALKER = cave("api", agent(type="claude"))


@pytest.mark.parametrize(
    ("one", "past", "seen", "request_", "said"),
    [
        (TALKER, {"conversation": "c-1"}, {}, UP, ", conversation resumed"),
        (
            TALKER,
            {"conversation": "c-1"},
            {"unresumable": {("api", "claude"): "the transcript of the last one is gone"}},
            UP,
            ", new conversation: the transcript of the last one is gone",
        ),
        (TALKER, {"conversation": "c-1"}, {}, UP._replace(fresh=True), ", new conversation"),
        (
            cave("api", agent(type="claude", resume="never")),
            {"conversation": "c-1"},
            {},
            UP,
            ", new conversation (resume: never)",
        ),
        (TALKER, {}, {}, UP, ""),
        (API, {"conversation": "c-1"}, {}, UP, ""),
    ],
)
def test_a_start_says_what_becomes_of_the_conversation(
    one: CaveSpec, past: dict[str, Any], seen: dict[str, Any], request_: Request, said: str
) -> None:
    history = remembered(one, **past)
    (step,) = plan(wanted(one), dead(one, 3), history=history, request=request_, **seen).steps
    assert step.cause == f"exit 3{said}"
    changed = one._replace(environment={"A": "1"})
    (step,) = plan(wanted(changed), running(one), history=history, request=request_, **seen).steps
    assert step.cause == f"environment.A changed{said}"


def test_whoever_waits_for_a_held_session_starts_since_it_runs() -> None:
    desired = wanted(cave("db"), cave("web", needs=["db"]))
    seen = plan(desired, session("db", digest=OLD, attached=True))
    assert [(step.name, step.outcome, step.after) for step in seen.steps] == [
        ("db/claude", "held", ()),
        ("web/claude", "planned", ()),
    ]


def test_sessions_that_left_the_file_are_stopped_and_their_workspaces_kept() -> None:
    planned = text(wanted(API), running(API), session("old", number=2))
    assert planned == "[] -> #1 stop-session old/claude, not in caves.yaml, workspace kept"


def test_an_agent_that_left_its_cave_is_stopped() -> None:
    planned = text(wanted(API), running(API), session("api", "codex", number=2))
    assert planned == "[] -> #1 stop-session api/codex, not in caves.yaml, workspace kept"


def test_an_attached_orphan_is_held() -> None:
    seen = plan(wanted(API), running(API), session("old", number=2, attached=True))
    assert [step.outcome for step in seen.steps] == ["held"]


def test_naming_caves_removes_nothing() -> None:
    request = Request(only=frozenset({("api", "claude")}))
    assert text(wanted(API), running(API), session("old", number=2), request=request) == ""


def test_a_cave_whose_profile_is_not_selected_is_left_alone() -> None:
    spec = project(API, declared={"api": ("claude",), "extra": ("claude",)})
    assert text(desire(spec, {}, KEY), running(API), session("extra", number=2)) == ""


def test_a_clean_workspace_that_left_the_file_goes_when_that_was_declared() -> None:
    record = WorkspaceRecord("worktree", "/p/old", "cave/old", True, on_remove="remove-if-clean")
    gone = {"old": there("old", record=record)}
    planned = text(wanted(API), running(API), session("old", number=2), workspaces=gone)
    assert planned == lines("""
        [] -> #1 stop-session old/claude, not in caves.yaml, workspace kept
        [1] -> #2 remove-workspace old, not in caves.yaml, on_remove: remove-if-clean
    """)


def test_a_workspace_with_something_to_lose_is_refused_by_name() -> None:
    record = WorkspaceRecord("worktree", "/p/old", "cave/old", True, on_remove="remove-if-clean")
    planned = text(
        wanted(API),
        running(API),
        workspaces={"old": there("old", record=record)},
        obstacles={"old": ("notes.txt (untracked)",)},
    )
    assert planned == (
        "[] -> #1 remove-workspace old, not in caves.yaml, on_remove: remove-if-clean "
        "[refused: /p/old holds notes.txt (untracked)]"
    )


def test_a_refused_workspace_refuses_whoever_waits_for_it() -> None:
    desired = wanted(cave("web", needs=["db"]), cave("top", needs=["web"]), cave("db"), API)
    planned = text(desired, workspaces={"db": missing("db", problem="branch cave/db is taken")})
    assert planned == lines("""
        [] -> #1 start-session web/claude, missing [refused: it depends on db, which is refused]
        [] -> #2 start-session top/claude, missing [refused: it depends on web, which is refused]
        [] -> #3 create-workspace db, missing [refused: branch cave/db is taken]
        [] -> #4 start-session api/claude, missing
    """)


def test_a_context_that_cannot_be_seeded_refuses_its_cave() -> None:
    problem = ObservedContext(problem="docs/plan.md is missing")
    planned = text(wanted(API), contexts={"api": problem})
    assert planned == "[] -> #1 seed-context api, context [refused: docs/plan.md is missing]"


def test_a_changed_seed_is_rewritten_and_an_edited_one_is_kept_and_told() -> None:
    changes = (
        SeedChange("plan.md", "update", "source changed"),
        SeedChange("background.md", "keep", "edited by the agent"),
    )
    seen = plan(wanted(API), running(API), contexts={"api": ObservedContext(changes)})
    assert seen.steps_text() == "[] -> #1 seed-context api, source changed"
    assert seen.notes == (("api", "background.md kept: edited by the agent"),)


def test_setup_runs_once_and_a_changed_one_is_only_told() -> None:
    one = cave("api", setup=(("make",),))
    ran = there("api").record
    assert ran is not None
    done = {"api": there("api", record=ran._replace(setup=setup_fingerprint(one.setup)))}
    other = {"api": there("api", record=ran._replace(setup=setup_fingerprint(())))}
    assert text(wanted(one), running(one), workspaces=done) == ""
    told = plan(wanted(one), running(one), workspaces=other)
    assert told.steps_text() == ""
    assert told.notes == (("api", "setup changed: `restart --setup` runs it again"),)
    again = UP._replace(setup=True)
    assert text(wanted(one), running(one), workspaces=other, request=again) == (
        "[] -> #1 run-setup api, restart --setup"
    )


def test_setup_that_did_not_finish_runs_again() -> None:
    one = cave("api", setup=(("make",),))
    assert text(wanted(one)) == lines("""
        [] -> #1 run-setup api, new workspace
        [1] -> #2 start-session api/claude, missing
    """)


def test_a_dependent_waits_for_the_steps_and_the_condition_of_its_dependency() -> None:
    needs = (Dependency("db", "ready"),)
    desired = wanted(cave("web", depends_on=needs), cave("db"))
    seen = plan(desired)
    assert seen.steps_text() == lines("""
        [2] -> #1 start-session web/claude, missing
        [] -> #2 start-session db/claude, missing
    """)
    assert seen.steps[0].conditions == (("db", "ready"),)


def test_a_second_session_of_one_agent_is_stopped_and_the_newest_stays() -> None:
    planned = text(wanted(API), running(API, number=1), running(API, number=2))
    assert planned == (
        "[] -> #1 stop-session api/claude, a second session of one agent; the newest stays"
    )


def test_an_agent_starts_only_when_a_second_session_of_it_has_ended() -> None:
    planned = text(wanted(API), running(API, number=1), dead(API, 1, number=2))
    assert planned == lines("""
        [] -> #1 stop-session api/claude, a second session of one agent; the newest stays
        [1] -> #2 start-session api/claude, exit 1
    """)


def test_restart_gives_a_new_process_whatever_the_digest() -> None:
    request = Request(
        only=frozenset({("api", "claude")}), restart=frozenset({("api", "claude")}), cause="restart"
    )
    assert text(wanted(API), running(API, attached=True), request=request) == (
        "[] -> #1 restart-session api/claude, restart"
    )
    assert text(wanted(API), dead(API, 0), request=request) == (
        "[] -> #1 start-session api/claude, restart"
    )


def test_agents_that_are_not_meant_are_left_alone() -> None:
    two = cave("api", agent("claude"), agent("codex"))
    request = Request(only=frozenset({("api", "codex")}))
    assert text(wanted(two), request=request) == "[] -> #1 start-session api/codex, missing"


def test_digests_are_of_the_agent_and_not_of_its_name_or_place() -> None:
    assert digest_of(cave("one")) == digest_of(cave("two"))
    assert digest_of(cave("one", agent("a"))) == digest_of(cave("one", agent("b")))


def test_sessions_of_other_projects_are_no_part_of_a_plan() -> None:
    desired = wanted(API)
    other: ObservedSession = session("theirs", number=7)
    seen = world(desired, running(API))._replace(others=(other,), history={("x", "y"): History()})
    assert diff(desired, seen, UP, KEY).steps == ()
