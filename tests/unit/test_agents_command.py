"""Any program: what it tells in ``status.event``, and what its screens mean."""

import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcave.agents import Evidence, Seen, command, demo
from agentcave.model.spec import ScreenRule
from agentcave.model.status import Activity, Claim, Dialog
from agentcave.plan.activity import judge

AT = 1000.5


def told(data: bytes, **fields: Any) -> list[Claim]:
    return list(command.claims(Evidence(1, 1.0, events={"status": Seen(AT, data)}, **fields)))


def status(**said: Any) -> list[Claim]:
    return told(json.dumps(said).encode())


@pytest.mark.parametrize("activity", list(Activity))
def test_every_word_of_the_contract_can_be_told(activity: Activity) -> None:
    (claim,) = status(activity=activity.value, reason=" because\nof  this ")
    assert (claim.source, claim.activity, claim.at) == ("live", activity, AT)
    assert claim.reason == "because of this"
    asks = activity in (Activity.APPROVAL, Activity.QUESTION)
    assert (claim.dialog is not None) is asks


def test_what_it_asks_has_the_id_that_it_gives_or_the_time() -> None:
    (first,) = status(activity="question", reason="Which?", id="q-1")
    assert first.dialog == Dialog("question", "Which?", "q-1")
    (second,) = status(activity="approval", reason="rm")
    assert second.dialog == Dialog("approval", "rm", f"{AT:f}")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"idle",
        b"{}",
        b"[]",
        b'{"activity": "dreaming"}',
        b'{"activity": ["idle"]}',
        b'{"activity": null, "reason": "x"}',
        b'{"reason": "x"}',
        b'{"activity": "id',
        os.urandom(500),
    ],
)
def test_rubbish_says_nothing(data: bytes) -> None:
    assert told(data) == []


@given(st.binary(max_size=200) | st.text().map(lambda text: f'{{"activity": "{text}"}}'.encode()))
def test_nothing_in_it_is_a_surprise(data: bytes) -> None:
    assert judge(told(data), AT).activity in Activity


def test_a_reason_of_another_kind_is_none() -> None:
    (claim,) = status(activity="approval", reason={"a": 1}, id=5)
    assert (claim.reason, claim.dialog) == ("", Dialog("approval", "", f"{AT:f}"))


def test_what_it_tells_is_better_than_what_its_screen_means() -> None:
    rules = (ScreenRule("working", "busy"),)
    found = told(b'{"activity": "idle"}', rules=rules, screen="busy")
    judgement = judge(found, AT)
    assert judgement.activity is Activity.IDLE
    assert [doubt.activity for doubt in judgement.doubts] == [Activity.WORKING]


def test_without_anything_told_nothing_is_known() -> None:
    assert judge(command.claims(Evidence(1, 1.0)), AT).activity is Activity.UNKNOWN
    assert judge(demo.claims(Evidence(1, 1.0)), AT).activity is Activity.STARTING


def test_the_demo_agent_proves_a_prompt_by_its_text() -> None:
    events = {"prompt": Seen(AT, json.dumps({"prompt": "one\ntwo"}).encode())}
    assert demo.proof(events, "one\r\ntwo\n", AT)
    assert not demo.proof(events, "one\r\ntwo\n", AT + 1)
    assert not demo.proof(events, "one", AT)
    assert not demo.proof({}, "one", AT)
    assert not demo.proof({"prompt": Seen(AT, b"{")}, "one", AT)
    assert not command.proof(events, "one\ntwo", AT)
