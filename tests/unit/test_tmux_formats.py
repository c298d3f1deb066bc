import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcave.tmux import Garbage, PaneRow, deaths_unknown, stamp_word
from agentcave.tmux.formats import parse_row, parse_rows, unquote

START = "/usr/bin/env AGENTCAVE_STAMP=eyJh-_xfQ== /bin/sh /run/launch"
SPECIAL = re.compile(r"[|&;<>()$`\\\"'*?\[# =%]")


def quoted(text: str) -> str:
    """As the modifier ``q`` of tmux does (3.3a)."""
    return SPECIAL.sub(lambda match: "\\" + match[0], text)


def printed(text: str) -> str:
    """As tmux prints it from 3.4 on: control characters escaped, backslashes as they are."""
    named = {"\n": "\\n", "\t": "\\t", "\a": "\\a", "\0": "\\0"}
    return "".join(
        named.get(each, f"\\{ord(each):03o}" if each < " " or each == "\x7f" else each)
        for each in text
    )


def row(**changes: str) -> str:
    fields = {
        "session": "$3",
        "pane": "%7",
        "pid": "4711",
        "dead": "0",
        "status": "",
        "signal": "",
        "attached": "1",
        "server": "99",
        "mode": "0",
        "name": "shop/api/claude",
        "start": START,
        "title": "✳ Claude Code",
    } | changes
    texts = {name: quoted(fields[name]) for name in ("name", "start", "title")}
    return " ".join((fields | texts).values())


def test_a_row_is_typed() -> None:
    assert parse_row(row()) == PaneRow(
        *("$3", "%7", 4711, False, None, None, 1, 99, False),
        *("shop/api/claude", START, "✳ Claude Code"),
    )


def test_a_pane_that_is_scrolled_in_is_in_a_mode() -> None:
    assert [parse_row(row(mode=mode)).in_mode for mode in ("", "0", "1", "2")] == [
        *(False, False, True, True)
    ]


def test_a_death_says_how() -> None:
    assert parse_row(row(dead="1", status="0"))[3:6] == (True, 0, None)
    assert parse_row(row(dead="1", signal="9"))[3:6] == (True, None, 9)


def test_a_dead_pane_need_not_tell_its_process() -> None:
    dead = parse_row(row(dead="1", status="0", pid=""))
    assert (dead.pane_pid, dead.problem) == (None, "")


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=4), st.booleans())
def test_no_text_shifts_another_field(texts: list[tuple[str, str, str]], escaped: bool) -> None:
    rows = [row(pane=f"%{i}", name=t[0], start=t[1], title=t[2]) for i, t in enumerate(texts)]
    lines = [printed(each) if escaped else each for each in rows]
    found = parse_rows("".join(f"{line}\n" for line in lines))
    assert [each[9:12] for each in found] == texts
    assert [each.pane_id for each in found] == [f"%{i}" for i in range(len(texts))]


def test_bytes_that_are_no_text_come_back_as_they_were() -> None:
    assert unquote("\\303\\377").encode(errors="surrogateescape") == b"\xc3\xff"


@pytest.mark.parametrize("output", ["no server running on /tmp/s\n", "hello\n" + row(), "\n"])
def test_what_is_no_pane_is_refused(output: str) -> None:
    with pytest.raises(Garbage, match="instead of panes"):
        parse_rows(output)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"pid": "x"}, "pane_pid is 'x'"),
        ({"pid": ""}, "pane_pid is ''"),
        ({"dead": "2"}, "pane_dead is '2'"),
        ({"server": "", "attached": "-1"}, "session_attached is '-1', pid is ''"),
        ({"dead": "1", "status": "٣"}, "pane_dead_status is '٣'"),
    ],
)
def test_a_field_that_is_not_understood_is_named_and_the_pane_may_live(
    changes: dict[str, str], problem: str
) -> None:
    bad, good = parse_rows(f"{row(**changes)}\n{row(pane='%8')}\n")
    assert (bad.problem, bad.dead, bad.stamp) == (problem, False, "eyJh-_xfQ==")
    assert (good.problem, good.pane_id) == ("", "%8")


def test_a_row_that_cannot_be_read_still_says_whose_it_is() -> None:
    bad, good = parse_rows(f"$1 %2 oh {quoted(START)}\n{row()}\n")
    assert (bad.pane_id, bad.stamp, bad.dead) == ("%2", "eyJh-_xfQ==", False)
    assert "oh" in bad.problem
    assert good == parse_row(row())


@pytest.mark.parametrize("cut", ["$1 %2 what the tmux", row()[:70], row()[:40]])
def test_a_row_that_may_be_anybodys_is_refused(cut: str) -> None:
    with pytest.raises(Garbage, match=r"\$\d %\d"):
        parse_rows(f"{cut}\n")


@pytest.mark.parametrize("field", ["pid", "server", "attached"])
def test_a_number_out_of_all_measure_is_not_understood(field: str) -> None:
    (bad,) = parse_rows(f"{row(**{field: '9' * 5000})}\n")
    assert bad.problem
    assert bad.pane_pid is None


def test_our_stamp_is_read_from_the_start_command() -> None:
    assert stamp_word(START) == "eyJh-_xfQ=="
    assert parse_row(row()).stamp == "eyJh-_xfQ=="


@pytest.mark.parametrize(
    "start",
    [
        "",
        f'"{START}"',
        f"/bin/sh -c '{START}'",
        f" {START}",
        START.replace("/usr/bin/env", "env"),
        "/usr/bin/env AGENTCAVE_STAMP= /bin/sh x",
        "/usr/bin/env AGENTCAVE_STAMP=a$(b) /bin/sh x",
        "/usr/bin/env AGENTCAVE_STAMP=é /bin/sh x",
        "/usr/bin/env AGENTCAVE_STAMP=abc",
        "/usr/bin/env AGENTCAVE_STAMP=abc vi",
        "vi AGENTCAVE_STAMP=abc",
    ],
)
def test_what_merely_mentions_a_stamp_is_not_ours(start: str) -> None:
    assert stamp_word(start) is None
    assert parse_row(row(start=start)).stamp is None


def test_a_death_without_status_is_unknown() -> None:
    living, lost, known = row(), row(dead="1"), row(dead="1", status="3")
    assert not deaths_unknown([parse_row(living), parse_row(known)])
    assert deaths_unknown([parse_row(living), parse_row(lost)])
