from hypothesis import given
from hypothesis import strategies as st

from agentcave.tmux import protocol
from agentcave.tmux.protocol import Answer, Outcome

TOKEN = "agentcave-5ec5e7"
HEAD = TOKEN.encode() + b" 3.3a 1 99\n"
END = TOKEN.encode() + b".end\n"
ABOUT = (b"3.3a", b"1", b"99")
HOSTILE = [b"agentcave-0", b"agentcave-5ec5e8-0", b"-:2: unknown command: x", b"", b"\xff\x1b[0m"]


def batch(size: int) -> list[tuple[str, ...]]:
    return [("list-panes", str(i)) for i in range(size)]


def mark(i: int) -> bytes:
    return b"%s-%d\n" % (TOKEN.encode(), i)


def test_a_batch_is_one_line_for_each_command_between_a_head_and_an_end() -> None:
    text = protocol.compose(batch(2), TOKEN, ["#{version}", "#{pid}"]).decode()
    assert text.splitlines() == [
        f'display-message -p "{TOKEN} #{{version}} #{{pid}}"',
        f"list-panes 0 ; display-message -p {TOKEN}-0",
        f"list-panes 1 ; display-message -p {TOKEN}-1",
        f"display-message -p {TOKEN}.end",
    ]


def test_each_command_gets_its_lines() -> None:
    stdout = HEAD + b"one\ntwo\n" + mark(0) + mark(1) + END
    outcomes = [Outcome([b"one", b"two"]), Outcome([])]
    assert protocol.parse(batch(2), TOKEN, stdout, b"") == Answer(ABOUT, outcomes)


def test_each_failure_gets_its_reason() -> None:
    stdout = HEAD + b"one\n" + mark(1) + END
    assert protocol.parse(batch(3), TOKEN, stdout, b"no pane\nno window\n").outcomes == [
        Outcome([], "no pane"),
        Outcome([b"one"]),
        Outcome([], "no window"),
    ]


def test_reasons_that_cannot_be_told_apart_are_all_given() -> None:
    answer = protocol.parse(batch(2), TOKEN, HEAD + END, b"a\nb\nc\n")
    assert answer.outcomes == [Outcome([], "a; b; c")] * 2
    assert protocol.parse(batch(1), TOKEN, HEAD + END, b"").outcomes[0].error == (
        "it gave no reason"
    )


def test_a_command_that_cannot_be_parsed_is_found_by_its_line() -> None:
    stdout = b"-:3: unknown command: list-pains\n"
    answer = protocol.parse(batch(2), TOKEN, stdout, b"")
    assert answer == Answer(None, [Outcome([], "unknown command: list-pains")], refused=1)


def test_a_death_half_way_is_seen() -> None:
    answer = protocol.parse(batch(2), TOKEN, HEAD + mark(0), b"server exited unexpectedly\n")
    assert not answer.whole
    assert answer.outcomes[0] == Outcome([])


def test_what_is_not_an_answer_is_none() -> None:
    for stdout in (b"", b"hello\n", b"-:9: unknown command: x\n", b"-:x: y\n"):
        assert protocol.parse(batch(2), TOKEN, stdout, b"") == Answer(None, [])


@given(st.lists(st.none() | st.lists(st.sampled_from(HOSTILE) | st.binary()), max_size=8))
def test_text_of_panes_never_moves_into_another_reply(
    replies: list[list[bytes] | None],
) -> None:
    clean = [r if r is None else [text.replace(b"\n", b"") for text in r] for r in replies]
    stdout = HEAD + b"".join(
        b"".join(text + b"\n" for text in reply) + mark(i)
        for i, reply in enumerate(clean)
        if reply is not None
    )
    stderr = b"".join(b"error %d\n" % i for i, reply in enumerate(clean) if reply is None)
    answer = protocol.parse(batch(len(clean)), TOKEN, stdout + END, stderr)
    assert answer.whole
    assert answer.outcomes == [
        Outcome([], f"error {i}") if reply is None else Outcome(reply)
        for i, reply in enumerate(clean)
    ]
