"""Texts without the values that must not be seen."""

import pytest

from agentcave.model.masking import masked

KEY = "-----BEGIN KEY-----\n  MIIEabc/+=\nab\n-----END KEY-----"


@pytest.mark.parametrize(
    ("text", "values", "shown"),
    [
        ("nothing here", ["hush"], "nothing here"),
        ("a hush, a hush", ["hush"], "a [redacted], a [redacted]"),
        ("hush", [], "hush"),
        ("the key abc of three letters", ["abc"], "the key abc of three letters"),
        ("a.c* axc*", ["a.c*"], "[redacted] axc*"),
        ("hush-long", ["hush", "hush-long"], "[redacted]"),
        ("xx abcdefgh xx", ["abcdef", "defgh"], "xx [redacted] xx"),
        ("hushhush", ["hush"], "[redacted][redacted]"),
        ("aaaaaa", ["aaaa"], "[redacted]"),
        ("said:  hush\t", [" hush \n"], "said:  [redacted]\t"),
        ("\udcff\udcfe!!", ["\udcff\udcfe!!"], "[redacted]"),
    ],
)
def test_every_value_of_four_characters_is_masked(text: str, values: list[str], shown: str) -> None:
    assert masked(text, values) == shown


def test_a_value_of_many_lines_is_masked_line_by_line() -> None:
    said = "\n".join(f"npm error! {line.strip()}\r" for line in reversed(KEY.splitlines()))
    assert masked(said, [KEY]) == "\n".join(
        f"npm error! {word}\r" for word in ("[redacted]", "ab", "[redacted]", "[redacted]")
    )
