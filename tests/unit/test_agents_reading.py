"""What adapters share for reading: never surprised, whatever an agent says, or half of it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcave.agents.reading import (
    SHOWN,
    brief,
    fields,
    members,
    normal,
    patient_search,
    screen_claims,
    seconds,
    told,
    undimmed,
    word,
)
from agentcave.model.spec import ScreenRule
from agentcave.model.status import Activity

REQUEST = {
    "session_id": "a-1",
    "n": 12345,
    "e": -1.5e10,
    "yes": True,
    "none": None,
    "text": 'é "quoted" \\ \n 🦊 {not: this}',
    "nested": {"list": [1, {"a": "b"}], "deep": {"deeper": "x"}},
    "last": "end",
}
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(), values, max_size=5)


def is_part(some: dict[str, Any], whole: dict[str, Any]) -> bool:
    return all(name in whole and whole[name] == value for name, value in some.items())


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("indent", [None, 1])
def test_an_object_cut_at_any_byte_gives_only_members_that_are_whole(
    ascii_only: bool, indent: int | None
) -> None:
    data = json.dumps(REQUEST, ensure_ascii=ascii_only, indent=indent).encode()
    before = -1
    for length in range(len(data) + 1):
        found = fields(data[:length])
        assert is_part(found, REQUEST), data[:length]
        assert len(found) >= before
        before = len(found)
    assert fields(data) == REQUEST


@given(objects, st.booleans(), st.data())
def test_what_is_cut_off_is_never_taken_for_something_else(
    value: dict[str, Any], ascii_only: bool, draw: st.DataObject
) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    cut = draw.draw(st.integers(0, len(data)))
    assert is_part(fields(data[:cut]), json.loads(data.decode("utf-8", "replace")))


@given(st.binary(max_size=200))
def test_rubbish_is_no_surprise(data: bytes) -> None:
    assert isinstance(fields(data), dict)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"12",
        b'"text"',
        b'[{"a": 1}]',
        b'[{"a": 1}',
        b'text {"a": 1}',
        b"{" * 100_000,
        b'{"a": ' * 100_000,
        b"[" * 100_000,
        b'{"a": ' + b"1" * 100_000,
        b'{a: "1"}',
        b"\x00\xff\xfe",
    ],
)
def test_what_is_no_object_has_no_members(data: bytes) -> None:
    assert fields(data) == {}


def test_what_follows_an_object_takes_nothing_from_it() -> None:
    assert fields(b'{"a": 1, "b": "x"} and more') == {"a": 1, "b": "x"}
    assert fields(b'\xef\xbb\xbf{"a": "x", "b": 1') == {"a": "x"}


def test_a_word_is_text_or_nothing() -> None:
    assert word({"a": "x"}, "a") == "x"
    others: list[object] = [1, None, ["x"], {}, True]
    assert [word({"a": value}, "a") for value in others] == [""] * 5
    assert word({}, "a") == ""


def test_members_are_the_objects_of_a_list() -> None:
    assert members({"a": [{"x": 1}, 2, "y", {"z": 3}]}, "a") == [{"x": 1}, {"z": 3}]
    assert [members({"a": value}, "a") for value in (None, "x", {"x": 1}, 3)] == [[]] * 4
    assert members({}, "a") == []


def test_a_time_is_a_positive_number() -> None:
    assert seconds({"at": 1795381311409}, "at", 1000.0) == 1795381311.409
    assert seconds({"at": 1.5}, "at") == 1.5


@pytest.mark.parametrize(
    "value",
    [None, True, "1795381311409", [], {}, 0, -1, 10**15, 10**400, float("nan"), float("inf")],
)
def test_anything_else_is_no_time(value: object) -> None:
    assert seconds({"at": value}, "at") is None
    assert seconds({}, "at") is None


def test_a_brief_is_one_line_and_not_too_long() -> None:
    assert brief(" a\n\tb  c ") == "a b c"
    assert brief("x" * SHOWN) == "x" * SHOWN
    assert brief("x" * (SHOWN + 1)) == "x" * (SHOWN - 1) + "…"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[1mbold\x1b[0m and \x1b[4mmore\x1b[24m", "bold and more"),
        ("a \x1b[2mdim\x1b[0m b", "a  b"),
        ("a \x1b[2mdim\x1b[22m b", "a  b"),
        ("a \x1b[2mdim\x1b[m b", "a  b"),
        ("a \x1b[2mdim \x1b[31mred and dim\x1b[39m still\x1b[0m b", "a  b"),
        ("\x1b[7mO\x1b[0;2mnce fixed\x1b[0m", ""),
        ("\x1b[7mO\x1b[0;2m\x1b[39m\x1b[49mnce fixed\x1b[0m", ""),
        ("\x1b[7mD\x1b[0mraft with the cursor at its start", "Draft with the cursor at its start"),
        ("draft\x1b[7m \x1b[0m", "draft "),
        ("\x1b[38;2;153;153;153mtrue colour\x1b[39m", "true colour"),
        ("\x1b[38;5;2mgreen\x1b[39m", "green"),
        ("\x1b[48;5;7mwhite\x1b[2mdim", "white"),
        ("\x1b[2m\x1b[38;5;0mblack and dim\x1b[0m", ""),
        ("\x1b[2m\x1b[38;5;22mgreen and dim\x1b[0m", ""),
        ("\x1b[38;5;246;2mboth\x1b[0m", ""),
        ("\x1b[4:3mcurly\x1b[0m", "curly"),
        ("a \x1b]8;;http://x/2m\x1b\\link\x1b]8;;\x1b\\ b", "a link b"),
        ("", ""),
        ("\x1b", ""),
        ("\x1b[", "["),
    ],
)
def test_what_a_line_shows_is_without_escapes_and_without_what_is_dim(
    line: str, shown: str
) -> None:
    assert undimmed(line) == shown


@given(st.text(st.characters(exclude_characters="\x1b")))
def test_text_without_escapes_stays_as_it_is(text: str) -> None:
    assert undimmed(text) == text


@given(st.text("\x1b[;:]m0127 ab\\\x07", max_size=40))
def test_no_escape_is_ever_left(text: str) -> None:
    assert "\x1b" not in undimmed(text)


RULES = (
    ScreenRule("approval", r"^Run (.*)\?$", "wants"),
    ScreenRule("question", r"trust this", "trust?", startup=True),
    ScreenRule("question", r"^Which (\w+)( colour)?"),
    ScreenRule("idle", r"^> ?$"),
)


@pytest.mark.parametrize(
    ("screen", "activity", "kind", "reason"),
    [
        ("x\nRun rm -rf x?\n> ", Activity.APPROVAL, "approval", "wants: rm -rf x"),
        ("do you trust this\n", Activity.QUESTION, "startup", "trust?"),
        ("Which one\nRun no?", Activity.APPROVAL, "approval", "wants: no"),
        ("Which one", Activity.QUESTION, "question", "one"),
    ],
)
def test_the_first_rule_that_matches_says_what_a_screen_asks(
    screen: str, activity: Activity, kind: str, reason: str
) -> None:
    (claim,) = screen_claims(RULES, screen)
    assert (claim.source, claim.activity, claim.reason, claim.at) == (
        *("screen", activity, reason, None),
    )
    assert claim.dialog is not None
    assert (claim.dialog.kind, claim.dialog.text) == (kind, reason)


def test_a_screen_that_asks_nothing_has_no_dialog() -> None:
    (claim,) = screen_claims(RULES, "ready\n> \n")
    assert (claim.activity, claim.reason, claim.dialog) == (Activity.IDLE, "", None)


def test_another_question_on_the_screen_is_another_dialog() -> None:
    ids = []
    for screen in ("Run a?", "Run b?", "above\nRun a?"):
        (claim,) = screen_claims(RULES, screen)
        assert claim.dialog is not None
        ids.append(claim.dialog.id)
    assert ids[0] == ids[2] != ids[1]


def test_a_screen_that_was_not_looked_at_or_means_nothing_says_nothing() -> None:
    assert screen_claims(RULES, None) == []
    assert screen_claims(RULES, "something else") == []
    assert screen_claims((), "Run x?") == []


def test_a_title_means_what_its_beginning_says() -> None:
    meanings = (("✋", Activity.APPROVAL), ("[◇✦]", Activity.WORKING))
    assert [one.activity for one in told("✦ working on it", meanings)] == [Activity.WORKING]
    assert told("shop ✋", meanings) == []
    assert told("", meanings) == []


@given(st.text())
def test_normal_text_is_the_same_however_terminals_end_lines(text: str) -> None:
    once = normal(text)
    assert normal(once) == once
    assert normal(text.replace("\n", "\r\n")) == normal(text.replace("\r\n", "\n")) or "\r" in text


def test_an_expression_that_takes_too_long_finds_nothing() -> None:
    """It would take longer than there is time: 2 to the power of 40 steps."""
    assert patient_search(r"(a+)+$", "a" * 40 + "!") is None
    found = patient_search(r"^(\w+)\?$", "first\nsecond?\n")
    assert found is not None
    assert found.groups() == ("second",)
