"""Plans of ``down`` and ``stop``, as text."""

from textwrap import dedent

from plan_world import agent, cave, dead, plan, running, session, text, there, wanted

from agentcave.model.desired import Request
from agentcave.model.observed import WorkspaceRecord
from agentcave.plan.actions import StopSession

DOWN = Request(cause="down", orphans=True)
WEB, DB = cave("web", needs=["db"]), cave("db")


def test_dependents_stop_first() -> None:
    planned = text(
        wanted(DB, WEB, state="absent"), running(DB), running(WEB, number=2), request=DOWN
    )
    assert planned == dedent("""\
        [2] -> #1 stop-session db/claude, down
        [] -> #2 stop-session web/claude, down""")


def test_ended_sessions_are_taken_away_as_well() -> None:
    planned = text(wanted(DB, state="absent"), dead(DB, 0), request=DOWN)
    assert planned == "[] -> #1 stop-session db/claude, down"


def test_every_session_of_an_agent_goes() -> None:
    down = wanted(DB, state="absent")
    seen = plan(down, running(DB, number=1), running(DB, number=2), request=DOWN)
    assert [str(step.action.session.pane) for step in seen.steps] == ["%1", "%2"]  # type: ignore[union-attr]


def test_attached_sessions_are_not_held_when_a_person_says_down() -> None:
    seen = plan(wanted(DB, state="absent"), running(DB, attached=True), request=DOWN)
    assert [step.outcome for step in seen.steps] == ["planned"]


def test_down_of_nothing_is_nothing() -> None:
    assert text(wanted(DB, WEB, state="absent"), request=DOWN) == ""


def test_stop_is_sticky_and_down_is_not() -> None:
    stop = Request(only=frozenset({("db", "claude")}), cause="stop")
    (stopped,) = plan(wanted(DB, state="stopped"), running(DB), request=stop).steps
    (ended,) = plan(wanted(DB, state="absent"), running(DB), request=DOWN).steps
    assert isinstance(stopped.action, StopSession)
    assert isinstance(ended.action, StopSession)
    assert (stopped.action.sticky, ended.action.sticky) == (True, False)


def test_only_the_agent_that_is_meant_stops() -> None:
    two = cave("db", agent("claude"), agent("codex"))
    request = Request(only=frozenset({("db", "codex")}), cause="stop")
    sessions = (session("db", "claude", number=1), session("db", "codex", number=2))
    planned = text(wanted(two, state="stopped"), *sessions, request=request)
    assert planned == "[] -> #1 stop-session db/codex, stop"


def test_workspaces_go_after_their_sessions_and_only_when_asked() -> None:
    down, request = wanted(DB, state="absent"), DOWN._replace(remove_workspaces=True)
    assert text(down, running(DB), request=request) == dedent("""\
        [] -> #1 stop-session db/claude, down
        [1] -> #2 remove-workspace db, --remove-workspaces""")


def test_a_workspace_that_holds_work_is_refused() -> None:
    down, request = wanted(DB, state="absent"), DOWN._replace(remove_workspaces=True)
    seen = plan(down, request=request, obstacles={"db": ("2 modified files",)})
    assert seen.steps_text() == (
        "[] -> #1 remove-workspace db, --remove-workspaces "
        "[refused: /p/.agentcave/caves/db holds 2 modified files]"
    )
    assert seen.exit_code() == 1


def test_a_directory_is_never_removed() -> None:
    record = WorkspaceRecord("directory", "/p/db", None, ready=True)
    request = DOWN._replace(remove_workspaces=True)
    spaces = {"db": there("db", record=record)}
    assert text(wanted(DB, state="absent"), request=request, workspaces=spaces) == ""


def test_orphans_go_down_too() -> None:
    planned = text(wanted(DB, state="absent"), session("old"), request=DOWN)
    assert planned == "[] -> #1 stop-session old/claude, not in caves.yaml, workspace kept"
