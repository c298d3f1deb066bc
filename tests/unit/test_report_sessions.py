"""``ps``, and the text that everything passes through before it is shown."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_world import KEY, agent, cave, dead, project, remembered, running, session, wanted, world

from agentcave.model.observed import History, Observed, ObservedSession
from agentcave.model.status import ATTENTION, Activity, Claim, Dialog, Judgement
from agentcave.report.sessions import Row, duration, render_rows, rows_json, rows_of
from agentcave.report.text import one_line, plain, table

API = cave("api", agent(type="claude"))
NOW = 1_700_000_000


def rows(*sessions: ObservedSession, history: dict[Any, History] | None = None) -> list[Row]:
    return rows_of(project(API), world(wanted(API), *sessions, history=history or {}), KEY)


def shown(*sessions: ObservedSession, **fields: Any) -> list[str]:
    return render_rows(rows(*sessions, **fields), NOW, False, False).split("\n")


def test_the_json_of_ps_has_exactly_the_keys_of_the_contract() -> None:
    live = running(API)
    live = live._replace(stamp=live.stamp._replace(started=NOW, type="claude"))
    past = remembered(API, conversation="c-1", restarts=2)
    told = json.loads(rows_json("shop", "u1", "/p/caves.yaml", rows(live, history=past)))
    assert told == {
        "project": "shop",
        "uid": "u1",
        "file": "/p/caves.yaml",
        "controller": None,
        "strays": [],
        "sessions": [
            {
                "cave": "api",
                "agent": "claude",
                "type": "claude",
                "name": "shop/api/claude",
                "desired": "running",
                "phase": "running",
                "activity": "unknown",
                "reason": "",
                "dialog": None,
                "pid": 4001,
                "pane": "%1",
                "exit_status": None,
                "signal": None,
                "restarts": 2,
                "started_at": "2023-11-14T22:13:20Z",
                "next_restart_at": None,
                "drift": [],
                "attached": False,
                "conversation": "c-1",
                "workspace": {
                    "path": "/p/.agentcave/caves/api",
                    "type": "worktree",
                    "branch": "cave/api",
                    "dirty": None,
                    "ahead": None,
                },
            }
        ],
        "orphans": [],
    }


def judged(judgement: Judgement) -> Row:
    seen = world(wanted(API), running(API), judged={"s1": judgement})
    (row,) = rows_of(project(API), seen, KEY)
    return row


def test_what_an_agent_does_and_asks_is_told() -> None:
    asked = Dialog("question", "Which colour?", "d-1", ("red", "blue"))
    claim = Claim("hook", Activity.QUESTION, "hook X", "Which colour?", 1.0, dialog=asked)
    row = judged(Judgement(Activity.QUESTION, "Which colour?", claim))
    (one,) = json.loads(rows_json("shop", "u1", "/p", [row]))["sessions"]
    assert (one["phase"], one["activity"], one["reason"]) == ("running", "question", asked.text)
    assert one["dialog"] == {
        "kind": "question",
        "text": "Which colour?",
        "id": "d-1",
        "options": ["red", "blue"],
    }


@pytest.mark.parametrize("activity", sorted(ATTENTION))
def test_where_a_person_is_needed_the_line_is_yellow(activity: Activity) -> None:
    assert "\x1b[33m" in render_rows([judged(Judgement(activity))], NOW, True, False)


def test_a_source_that_says_otherwise_is_named() -> None:
    doubt = Claim("screen", Activity.APPROVAL, "screen rule 'x'")
    row = judged(Judgement(Activity.IDLE, "done", doubts=(doubt,)))
    assert row.status.reason == "done; its screen says approval"


def test_what_left_the_file_is_told_apart_as_an_orphan() -> None:
    told = json.loads(rows_json("shop", "u1", "/p", rows(running(API), session("old", number=2))))
    assert [one["cave"] for one in told["sessions"]] == ["api"]
    assert [(one["cave"], one["desired"]) for one in told["orphans"]] == [("old", "absent")]


@pytest.mark.parametrize(
    ("sessions", "history", "phase"),
    [
        ((), {}, "pending"),
        ((running(API),), {}, "running"),
        ((dead(API, 0),), {}, "completed"),
        ((dead(API, 3),), {}, "failed"),
        ((dead(API, None, signal=9),), {}, "failed"),
        ((), {"intent": "stopped", "ended": "stopped"}, "stopped"),
        ((), {"ended": "completed", "exit_status": 0}, "completed"),
        ((), {"ended": "failed", "exit_status": 2}, "failed"),
    ],
)
def test_the_phase_is_a_fact(
    sessions: tuple[ObservedSession, ...], history: dict[str, Any], phase: str
) -> None:
    (row,) = rows(*sessions, history=remembered(API, **history) if history else {})
    assert row.status.phase.value == phase


def test_with_tmux_out_of_reach_every_phase_is_unknown() -> None:
    (row,) = rows_of(project(API), Observed(unreachable="no answer"), KEY)
    assert (row.status.phase.value, row.status.reason) == ("unreachable", "no answer")


def test_drift_is_named_with_what_to_do() -> None:
    changed = API._replace(environment={"A": "1"})
    seen = world(wanted(changed), running(API), history=remembered(API))
    (row,) = rows_of(project(changed), seen, KEY)
    assert row.drift == ("environment.A",)
    assert row.status.reason == "environment.A changed; `agentcave up` restarts it"


def test_an_agent_without_its_workspace_says_so() -> None:
    seen = world(wanted(API), running(API, uprooted=True), history=remembered(API))
    (row,) = rows_of(project(API), seen, KEY)
    assert row.drift == ("workspace",)
    assert row.status.reason == "its workspace was deleted; `agentcave up` restarts it"


def test_ended_agents_say_how_and_what_to_do() -> None:
    assert (
        "exit 3; `agentcave up` starts it again, `agentcave up --watch`" in shown(dead(API, 3))[1]
    )
    assert "ended by SIGKILL" in shown(dead(API, None, signal=9))[1]


def test_attached_people_are_shown() -> None:
    assert shown(running(API, attached=True))[1].endswith("attached")


def test_columns_are_aligned() -> None:
    header, *lines = shown(running(API), session("a-longer-cave-name", number=2))
    for word in ("TYPE", "PHASE"):
        assert all(line[header.index(word) - 1] == " " for line in lines)
        assert all(line[header.index(word)] != " " for line in lines)


def test_nothing_is_said_in_words() -> None:
    assert render_rows([], NOW, False, False) == "nothing is declared, and nothing runs"


def test_colours_are_only_there_when_asked_for() -> None:
    one = rows(running(API))
    assert "\x1b" not in render_rows(one, NOW, False, False)
    assert "\x1b[32m" in render_rows(one, NOW, True, False)


def test_a_stamp_cannot_act_on_the_terminal() -> None:
    forged = session("\x1b[2Jcave\n", "\x9b31m", number=2)
    forged = forged._replace(stamp=forged.stamp._replace(type="\x1b]0;title\x07type"))
    text = render_rows(rows(running(API), forged), NOW, False, False)
    assert len(text.split("\n")) == 3
    assert all(character.isprintable() or character == "\n" for character in text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (59, "59s"),
        (61, "1m1s"),
        (3599, "59m59s"),
        (3600, "1h0m"),
        (86399, "23h59m"),
        (90061, "1d1h"),
    ],
)
def test_ages_are_short(seconds: int, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("plain ü 🦊", "plain ü 🦊"),
        ("a\x1b[1;31mred\x1b[0m", "ared"),
        ("\x1b]0;title\x07x\x1b]8;;http://a\x1b\\link", "xlink"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("over\rwritten\x08", "overwritten"),
        ("\x9b31mc1\x85", "31mc1"),
        ("\u202egnp.exe\u2066", "gnp.exe"),
        ("\x1b", ""),
        ("\x1b\x1b[2J[2J", "[2J"),
    ],
)
def test_escapes_and_controls_are_stripped(text: str, left: str) -> None:
    assert plain(text) == left


@given(st.text())
def test_nothing_that_acts_on_a_terminal_is_ever_left(text: str) -> None:
    assert all(c in "\n\t" or not (ord(c) < 32 or 127 <= ord(c) < 160) for c in plain(text))
    assert plain(plain(text)) == plain(text)
    assert "\n" not in one_line(text)


@given(st.lists(st.lists(st.text("ab ", max_size=5), min_size=3, max_size=3), max_size=5))
def test_every_column_of_a_table_begins_at_one_place(cells: list[list[str]]) -> None:
    lines = table(cells, ["ONE", "TWO", "THREE"]).split("\n")
    second, third = lines[0].index("TWO"), lines[0].index("THREE")
    for line, row in zip(lines[1:], cells, strict=True):
        assert line.ljust(third + 9)[second:].startswith(row[1])
        assert line.ljust(third + 9)[third:].startswith(row[2])


@pytest.mark.parametrize(("intent", "phase"), [("stopped", "stopped"), ("down", "pending")])
def test_what_is_just_being_ended_has_not_failed(intent: str, phase: str) -> None:
    """Its process has ended, and its pane is still there."""
    (row,) = rows(dead(API, None, signal=15), history=remembered(API, intent=intent))
    assert row.status.phase == phase
