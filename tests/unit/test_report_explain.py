"""Why a status is what it is, for people and as JSON."""

import json
from typing import Any

from plan_world import KEY, agent, cave, project, running, wanted, world

from agentcave.model.status import Activity, Claim, Dialog
from agentcave.plan.activity import judge
from agentcave.report.explain import explanation, explanation_json
from agentcave.report.sessions import Row, rows_of

API = cave("api", agent(type="claude"))
NOW = 2000.0
ASKED = Dialog("approval", "Bash: rm x", "d-7")
HOOK = Claim("hook", Activity.APPROVAL, "hook PermissionRequest Bash", ASKED.text, NOW - 61)
ASKS = HOOK._replace(dialog=ASKED)
OLDER = Claim("live", Activity.WORKING, "sessions/<pid>.json busy", at=NOW - 3700)
EXPIRED = Claim("hook", Activity.LIMITED, "hook StopFailure", at=NOW - 500, lasts=60)
DOUBT = Claim("screen", Activity.IDLE, "screen rule '>'")


def row(*claims: Claim) -> Row:
    seen = world(wanted(API), running(API), judged={"s1": judge(claims, NOW)})
    (found,) = rows_of(project(API), seen, KEY)
    return found


def told(*claims: Claim, full: bool = True) -> list[str]:
    return explanation(row(*claims), NOW, full=full).split("\n")


def test_every_source_is_told_with_its_age_and_what_won() -> None:
    assert told(DOUBT, OLDER, EXPIRED, ASKS) == [
        "api/claude is running, approval: Bash: rm x; its screen says idle",
        "it asks (approval): Bash: rm x",
        "dialog d-7",
        "",
        "         SOURCE  SAYS      SINCE  BY",
        "older    live    working   1h1m   sessions/<pid>.json busy",
        "won      hook    approval  1m1s   hook PermissionRequest Bash: Bash: rm x",
        "expired  hook    limited   8m20s  hook StopFailure",
        "doubts   screen  idle      now    screen rule '>'",
    ]


def test_in_short_only_the_outcome_and_what_is_asked() -> None:
    assert told(DOUBT, OLDER, ASKS, full=False) == told(DOUBT, OLDER, ASKS)[:3]


def test_that_nothing_is_known_is_said() -> None:
    assert told() == [
        "api/claude is running, unknown",
        "",
        "no source says anything: only that the process lives is known",
    ]


def test_of_what_does_not_run_there_is_nothing_to_explain() -> None:
    (pending,) = rows_of(project(API), world(wanted(API)), KEY)
    assert explanation(pending, NOW, full=True).startswith("api/claude is pending: not started")
    assert json.loads(explanation_json(pending))["sources"] == []


def test_what_agents_say_cannot_act_on_the_terminal() -> None:
    nasty = "\x1b[2Jx\n\x9b31m\u202ey"
    asked = Dialog("question", nasty, nasty)
    claim = Claim("hook", Activity.QUESTION, nasty, nasty, NOW, dialog=asked)
    text = explanation(row(claim), NOW, full=True)
    assert all(c.isprintable() or c == "\n" for c in text)
    assert len(text.split("\n")) == 6


def test_a_time_in_the_future_is_no_surprise() -> None:
    lines = told(OLDER._replace(at=NOW + 500), DOUBT._replace(at=1e12))
    assert [line.split()[3] for line in lines[3:]] == ["0s", "0s"]


def sources(*claims: Claim) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(explanation_json(row(*claims)))["sources"]
    return found


def test_as_json_it_is_the_row_of_ps_and_its_sources() -> None:
    whole = json.loads(explanation_json(row(OLDER, ASKS)))
    assert (whole["cave"], whole["activity"]) == ("api", "approval")
    assert whole["dialog"] == {
        "kind": "approval",
        "text": "Bash: rm x",
        "id": "d-7",
        "options": None,
    }
    assert sources(OLDER, ASKS, EXPIRED, DOUBT)[1] == {
        "source": "hook",
        "activity": "approval",
        "at": NOW - 61,
        "rule": "hook PermissionRequest Bash",
        "reason": "Bash: rm x",
        "verdict": "won",
    }
    verdicts = [one["verdict"] for one in sources(OLDER, ASKS, EXPIRED, DOUBT)]
    assert verdicts == ["older", "won", "expired", "doubts"]


def test_one_of_two_that_say_the_same_has_won() -> None:
    twin = OLDER._replace(at=NOW - 5)
    assert [one["verdict"] for one in sources(twin, OLDER)] == ["won", "older"]
