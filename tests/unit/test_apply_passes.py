"""What the hands do, pass after pass, with sessions in memory."""

from pathlib import Path
from typing import Any

import pytest
from apply_world import Bench, talker
from apply_world import anyio_backend as anyio_backend
from apply_world import bench as bench
from plan_world import agent

from agentcave import context
from agentcave.apply.events import Event
from agentcave.apply.executor import Executor
from agentcave.errors import CaveError, DeadlineExceeded
from agentcave.model.desired import Request
from agentcave.model.spec import (
    Dependency,
    ReadySpec,
    RestartSpec,
    Secret,
    Seed,
    StopKey,
    StopSpec,
)
from agentcave.plan.actions import RunSetup, SeedContext
from agentcave.plan.plan import Plan, Step

KEY = ("api", "claude")
RESTART = Request(only=frozenset({KEY}), restart=frozenset({KEY}), cause="restart")
FRESH = RESTART._replace(fresh=True)


def told(events: list[Event]) -> list[tuple[str, str]]:
    return [(f"{event.step.verb} {event.step.name}", event.result) for event in events]


async def test_up_starts_what_is_declared_and_a_second_up_has_nothing_to_do(bench: Bench) -> None:
    one = bench.cave("api", agent(command=("sh",)))
    assert told(await bench.apply(one)) == [("start-session api/claude", "done")]
    assert bench.process("api").alive
    assert await bench.apply(one) == []


async def test_history_knows_the_session_that_was_started(bench: Bench) -> None:
    await bench.apply(bench.cave("api", agent(command=("sh",))))
    past = bench.state.histories()[KEY]
    assert past.session == bench.session("api").id
    assert past.digest == bench.session("api").stamp.digest
    assert (past.intent, past.ended, past.size) == ("running", None, "200x50")


async def test_drift_gives_a_new_process_in_the_same_pane(bench: Bench) -> None:
    await bench.apply(bench.cave("api", agent(command=("sh",))))
    old = bench.session("api")
    events = await bench.apply(bench.cave("api", agent(command=("sh",), environment={"A": "1"})))
    new = bench.session("api")
    assert told(events) == [("restart-session api/claude", "done")]
    assert [event.step.cause for event in events] == ["environment.A changed"]
    assert new.id != old.id
    assert new.pane == old.pane
    assert new.options.environment["A"] == "1"


async def test_a_failed_agent_starts_again_in_its_pane(bench: Bench) -> None:
    one = bench.cave("api", agent(command=("sh",)))
    await bench.apply(one)
    old = bench.session("api")
    await old.send_input("exit 3")
    events = await bench.apply(one)
    assert [event.step.cause for event in events] == ["exit 3"]
    assert bench.session("api").pane == old.pane
    assert bench.process("api").alive


async def test_down_ends_sessions_and_keeps_their_last_screens(bench: Bench) -> None:
    one = bench.cave("api", agent(command=("sh",)))
    await bench.apply(one)
    await bench.session("api").send_input("echo famous last words")
    await bench.apply(one, wanted="absent")
    assert bench.sessions.sessions == {}
    assert "famous last words" in (bench.state.screen(KEY) or "")
    assert bench.state.histories()[KEY].intent == "down"


async def test_what_was_stopped_stays_stopped(bench: Bench) -> None:
    one = bench.cave("api", agent(command=("sh",)))
    await bench.apply(one)
    stop = Request(only=frozenset({KEY}), cause="stop")
    await bench.apply(one, request=stop, wanted="stopped")
    assert bench.sessions.sessions == {}
    assert (bench.state.histories()[KEY].intent, bench.state.histories()[KEY].ended) == (
        "stopped",
        "stopped",
    )
    assert await bench.apply(one) == []


async def test_an_agent_that_left_the_file_is_ended(bench: Bench) -> None:
    await bench.apply(bench.cave("api", agent(command=("sh",))), bench.cave("web", agent("x")))
    events = await bench.apply(bench.cave("web", agent("x")))
    assert told(events) == [("stop-session api/claude", "done")]


async def test_an_orphan_of_an_unknown_type_is_ended_as_any_program(bench: Bench) -> None:
    await bench.apply(bench.cave("api", agent(command=("sh",))))
    old = bench.session("api")
    old.stamp = old.stamp._replace(type="of-the-future")
    assert told(await bench.apply()) == [("stop-session api/claude", "done")]


async def test_a_surplus_session_goes_and_history_stays_about_the_newest(bench: Bench) -> None:
    one = bench.cave("api", agent(command=("sh",)))
    await bench.apply(one)
    newest = bench.session("api")
    twin = await bench.sessions.create_session(newest.options._replace(id=None))
    await twin.start()
    bench.sessions.sessions = dict(reversed(bench.sessions.sessions.items()))
    before = {KEY: bench.state.histories()[KEY]._replace(restarts=3)}
    bench.state.put_histories(before)
    events = await bench.apply(one)
    assert told(events) == [("stop-session api/claude", "done")]
    assert bench.session("api") is newest
    assert bench.state.histories() == before


async def test_one_agent_that_cannot_start_is_no_harm_to_the_others(bench: Bench) -> None:
    bench.sessions.unstartable = {KEY}
    events = await bench.apply(
        bench.cave("api", agent(command=("sh",))), bench.cave("web", agent(command=("sh",)))
    )
    assert [event.result for event in events] == ["failed", "done"]
    assert bench.process("web").alive


async def test_a_working_dir_that_leads_out_fails_that_agent_only(bench: Bench) -> None:
    api = bench.cave("api", talker(working_dir="out"))
    (bench.root / "api" / "out").symlink_to("/")
    events = await bench.apply(api, bench.cave("web", agent(command=("sh",))))
    assert [event.result for event in events] == ["failed", "done"]
    assert "leads out of its workspace" in (events[0].error or "")


async def test_a_new_size_reaches_the_terminal_and_the_history(bench: Bench) -> None:
    await bench.apply(bench.cave("api", agent(command=("sh",))))
    bigger = bench.cave("api", agent(command=("sh",), size=(99, 33)))
    assert told(await bench.apply(bigger)) == [("resize-session api/claude", "done")]
    assert bench.session("api").size == (99, 33)
    assert await bench.apply(bigger) == []


async def test_how_an_agent_is_stopped_is_as_declared(bench: Bench) -> None:
    stop = StopSpec(keys=(StopKey("exit 5", literal=True), StopKey("Enter")))
    one = bench.cave("api", agent(command=("sh",), stop=stop))
    await bench.apply(one)
    process = bench.process("api")
    await bench.apply(one, wanted="absent")
    assert process.exit_status == 5


# Conversations.


def transcript(bench: Bench) -> Path:
    """Have the agent keep a transcript of its conversation, as claude does."""
    session = bench.session("api")
    slug = "".join(c if c.isalnum() else "-" for c in session.options.cwd)
    conversation = bench.state.histories()[KEY].conversation
    path = bench.root / "claude" / "projects" / slug / f"{conversation}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    return path


def argv(bench: Bench) -> tuple[str, ...]:
    """The words behind the program, without the files of the session that a claude is given."""
    given, own = iter(bench.session("api").options.argv[1:]), ("--settings", "--append-system")
    return tuple(word for word in given if not (word.startswith(own) and next(given)))


async def test_a_first_start_names_its_conversation_and_sends_the_prompt(bench: Bench) -> None:
    await bench.apply(bench.cave("api", talker(prompt="Follow the plan.")))
    past = bench.state.histories()[KEY]
    assert argv(bench) == ("--session-id", past.conversation, "--", "Follow the plan.")
    assert past.prompted


async def test_a_restart_resumes_the_conversation_and_sends_no_prompt_again(bench: Bench) -> None:
    one = bench.cave("api", talker(prompt="Follow the plan."))
    await bench.apply(one)
    conversation = bench.state.histories()[KEY].conversation
    transcript(bench)
    for _ in range(2):
        events = await bench.apply(one, request=RESTART)
        assert argv(bench) == ("--resume", conversation)
        assert bench.state.histories()[KEY].resumed
        assert [event.step.cause for event in events] == ["restart, conversation resumed"]


async def test_a_changed_prompt_is_not_sent_into_the_same_conversation(bench: Bench) -> None:
    await bench.apply(bench.cave("api", talker(prompt="One.")))
    transcript(bench)
    await bench.apply(bench.cave("api", talker(prompt="Two.")), request=RESTART)
    assert "Two." not in argv(bench)


async def test_a_conversation_without_transcript_begins_anew_with_the_prompt(bench: Bench) -> None:
    one = bench.cave("api", talker(prompt="Follow the plan."))
    await bench.apply(one)
    before = bench.state.histories()[KEY].conversation
    transcript(bench).unlink()
    events = await bench.apply(one, request=RESTART)
    now = bench.state.histories()[KEY].conversation
    assert now != before
    assert argv(bench) == ("--session-id", now, "--", "Follow the plan.")
    why = "restart, new conversation: the transcript of the last one is gone"
    assert [event.step.cause for event in events] == [why]


@pytest.mark.parametrize(
    ("request_", "fields"), [(FRESH, {}), (RESTART, {"resume": "never"})], ids=["fresh", "never"]
)
async def test_a_conversation_that_is_not_wanted_again_begins_anew(
    bench: Bench, request_: Request, fields: dict[str, Any]
) -> None:
    one = bench.cave("api", talker(prompt="Go.", **fields))
    await bench.apply(one)
    before = bench.state.histories()[KEY].conversation
    transcript(bench)
    await bench.apply(one, request=request_)
    now = bench.state.histories()[KEY].conversation
    assert now != before
    assert argv(bench) == ("--session-id", now, "--", "Go.")


async def test_an_agent_without_conversations_gets_its_prompt_once(bench: Bench) -> None:
    one = bench.cave("api", agent(command=("sh",), prompt="work 3s"))
    await bench.apply(one)
    assert argv(bench) == ("--", "work 3s")
    await bench.apply(one, request=RESTART)
    assert argv(bench) == ()
    await bench.apply(one, request=FRESH)
    assert argv(bench) == ("--", "work 3s")


async def test_a_pass_that_was_killed_after_a_start_does_not_send_the_prompt_twice(
    bench: Bench,
) -> None:
    one = bench.cave("api", agent(command=("sh",), prompt="work 3s"))
    await bench.apply(one)
    announced = bench.state.histories()[KEY]._replace(session=None, prompted=False)
    bench.state.put_histories({KEY: announced})
    await bench.apply(one, request=RESTART)
    assert argv(bench) == ()


async def test_a_failed_start_does_not_count_as_the_prompt_sent(bench: Bench) -> None:
    one = bench.cave("api", agent(command=("sh",), prompt="work 3s"))
    bench.sessions.unstartable = {KEY}
    await bench.apply(one)
    assert bench.sessions.sessions == {}
    bench.sessions.unstartable = set()
    await bench.apply(one)
    assert argv(bench) == ("--", "work 3s")


# Secrets at the start.


async def test_a_secret_that_cannot_be_had_leaves_the_old_process_alone(bench: Bench) -> None:
    await bench.apply(bench.cave("api", agent(command=("sh",))))
    lacking = agent(command=("sh",), secrets=(Secret("TOKEN", "env", "NOWHERE"),))
    events = await bench.apply(bench.cave("api", lacking))
    assert [event.result for event in events] == ["failed"]
    assert "secret TOKEN: the variable NOWHERE is not set" in (events[0].error or "")
    assert bench.process("api").alive


# Dependencies.


async def test_a_dependent_waits_until_its_dependency_is_ready(bench: Bench) -> None:
    db = bench.cave("db", agent(command=("sh",), ready=ReadySpec("output", "^You said: up$")))
    web = bench.cave("web", agent(command=("sh",)), depends_on=(Dependency("db", "ready"),))
    await bench.apply(db)
    await bench.session("db").send_input("up")
    assert [event.result for event in await bench.apply(db, web)] == ["done"]


async def test_a_dependency_that_gets_not_ready_in_time_is_named(bench: Bench) -> None:
    ready = ReadySpec("output", "never shown", timeout=0.05)
    db = bench.cave("db", agent(command=("sh",), ready=ready))
    web = bench.cave("web", agent(command=("sh",)), depends_on=(Dependency("db", "ready"),))
    events = await bench.apply(db, web)
    assert [event.result for event in events] == ["done", "failed"]
    assert events[1].error == (
        "web/claude waits for db: db/claude was not ready within 0.05 s "
        "(run the same command again to go on)"
    )


async def test_a_dependency_that_failed_fails_its_dependents_at_once(bench: Bench) -> None:
    db = bench.cave("db", agent(command=("sh",), restart=RestartSpec("never")))
    web = bench.cave("web", agent(command=("sh",)), depends_on=(Dependency("db", "completed"),))
    await bench.apply(db)
    desired = bench.desired(db, web)
    hands = await bench.hands(desired)
    await bench.session("db").send_input("exit 2")
    with pytest.raises(CaveError, match="db/claude cannot become completed: exit 2"):
        await hands.reach(desired.caves["db"].agents[0], "completed")


async def test_a_completed_dependency_is_enough_also_when_its_pane_is_gone(bench: Bench) -> None:
    db = bench.cave("db", agent(command=("sh",)))
    web = bench.cave("web", agent(command=("sh",)), depends_on=(Dependency("db", "completed"),))
    await bench.apply(db)
    past = bench.state.histories()["db", "claude"]
    ended = past._replace(ended="completed", exit_status=0)
    bench.state.put_histories({("db", "claude"): ended})
    await bench.sessions.remove_session(bench.session("db").id)
    assert told(await bench.apply(db, web)) == [("start-session web/claude", "done")]


async def test_waiting_for_an_agent_that_does_not_run_is_an_error(bench: Bench) -> None:
    desired = bench.desired(bench.cave("db"))
    with pytest.raises(CaveError, match="db/claude does not run"):
        await (await bench.hands(desired)).reach(desired.caves["db"].agents[0], "ready")


async def test_waiting_for_completion_has_a_deadline(bench: Bench) -> None:
    db = bench.cave("db", agent(command=("sh",)))
    await bench.apply(db)
    desired = bench.desired(db)
    hands = await bench.hands(desired, timeout=0.05)
    with pytest.raises(DeadlineExceeded, match=r"not completed within 0\.05 s"):
        await hands.reach(desired.caves["db"].agents[0], "completed")


# The Working Context.


async def test_a_file_that_the_agent_edits_after_the_look_is_told_as_kept(bench: Bench) -> None:
    for text, edited, kept in (("one", False, ()), ("two", True, ("plan.md",))):
        seed = Seed("plan.md", text=text)
        spec = bench.cave("api", context=(seed, seed._replace(name="notes.md")))
        desired = bench.desired(spec)
        hands = await bench.hands(desired, seeds=bench.state.seeds())
        known = bench.state.seeds().get("api", {})
        changes = context.observe(spec.workspace.path, spec, known)[0].changes
        if edited:
            Path(spec.workspace.path, ".cave", "plan.md").write_text("mine")
        step = Step(1, SeedContext(desired.caves["api"], changes), "api", None, "source changed")
        (event,) = await Executor(
            Plan("shop", "u1", "caves.yaml", ("api",), (step,)),
            hands,
            hands_off,
            bench.state.folder,
        ).run()
        hands.record([])
        assert (event.result, event.kept) == ("done", kept)
    assert Path(spec.workspace.path, ".cave", "plan.md").read_text() == "mine"
    assert Path(spec.workspace.path, ".cave", "notes.md").read_text() == "two"
    assert event.record()["cause"] == "source changed; plan.md kept: the agent has just edited it"


def hands_off(_: Event) -> None:
    """Nobody watches."""


# Setup.


async def run_setup(bench: Bench, *argvs: tuple[str, ...], **fields: Any) -> None:
    desired = bench.desired(bench.cave("api", setup=argvs, **fields))
    hands = await bench.hands(desired)
    await hands.perform(Step(1, RunSetup(desired.caves["api"]), "api", None, "new workspace"))


async def test_setup_runs_in_turn_in_the_workspace_and_environment_and_is_recorded(
    bench: Bench,
) -> None:
    await run_setup(
        bench,
        ("sh", "-c", 'echo "$WHO" > one'),
        ("sh", "-c", "cat one > two; echo told"),
        environment={"WHO": "me"},
    )
    assert (bench.root / "api" / "two").read_text() == "me\n"
    assert bench.state.workspaces()["api"].setup is not None
    assert "told" in (bench.root / "state" / "setup-api.log").read_text()


async def test_a_setup_that_fails_ends_there_shows_its_output_and_is_not_recorded(
    bench: Bench,
) -> None:
    with pytest.raises(CaveError, match="failed with exit status 7") as caught:
        await run_setup(bench, ("sh", "-c", "echo oh no; exit 7"), ("touch", "later"))
    assert "\n    oh no" in caught.value.message
    assert "setup-api.log" in str(caught.value)
    assert not (bench.root / "api" / "later").exists()
    assert "api" not in bench.state.workspaces()
