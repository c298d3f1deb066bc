import time

import pytest

from agentcave.tmux import Garbage, PaneRow, deaths_unknown, stamp_word
from agentcave.tmux.formats import parse_row, parse_rows

START = "/usr/bin/env AGENTCAVE_STAMP=eyJh-_xfQ== /bin/sh /run/launch"


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
    }
    return "\x1f".join((fields | changes).values())


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


def test_a_separator_in_the_start_command_shifts_nothing() -> None:
    shifted = parse_row(row(start="a\x1fb"))
    assert (shifted.start_command, shifted.title) == ("a\x1fb", "✳ Claude Code")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "no server running on /tmp/s",
        row(pid="x"),
        row(pane="7"),
        row(session=""),
        row(dead="2"),
        row(server=""),
        row().rsplit("\x1f", 1)[0],
    ],
)
def test_a_line_that_does_not_fit_is_refused(line: str) -> None:
    with pytest.raises(Garbage):
        parse_row(line)


def test_a_thousand_rows_are_read_in_ten_milliseconds() -> None:
    rows = [row(pane=f"%{i}") for i in range(1000)]
    best = min(_seconds(rows) for _ in range(5))
    assert best < 0.01


def _seconds(rows: list[str]) -> float:
    before = time.perf_counter()
    assert len(parse_rows(rows)) == 1000
    return time.perf_counter() - before


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


def test_a_death_without_status_is_unknown() -> None:
    living, lost, known = row(), row(dead="1"), row(dead="1", status="3")
    assert not deaths_unknown(parse_rows([living, known]))
    assert deaths_unknown(parse_rows([living, lost]))
