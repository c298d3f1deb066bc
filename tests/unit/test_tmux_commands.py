import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcave.tmux import Version, commands

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.lists(words))
def test_a_command_is_exactly_one_line(rest: list[str]) -> None:
    line = commands.line(("display-message", *rest), "mark")
    assert line.endswith(b" ; display-message -p mark\n")
    assert line.count(b"\n") == 1


@given(words)
def test_nothing_that_tmux_expands_is_left_bare(word: str) -> None:
    quoted = commands.quote(word)
    if quoted != word:
        assert quoted[0] == quoted[-1] == '"'
        body = quoted[1:-1].replace("\\\\", "")
        assert all(body[i - 1] == "\\" for i, c in enumerate(body) if c in '"$~')
    assert not set(quoted) & {"\n", "\r", "\x1b"}


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("", '""'),
        ("%12", '"%12"'),
        ("a b", '"a b"'),
        ("$HOME", '"\\$HOME"'),
        ("~", '"\\~"'),
        ('"\\', '"\\"\\\\"'),
        ("a\nb", '"a\\012b"'),
        (";", '";"'),
        ("#{pid}", '"#{pid}"'),
        ("shop/api/claude", "shop/api/claude"),
    ],
)
def test_words_are_quoted_when_they_must_be(word: str, quoted: str) -> None:
    assert commands.quote(word) == quoted


@pytest.mark.parametrize(
    "words", [(), ("",), ("a", "\0"), ("a", "\ud800"), ("source-file", "x"), ("if-shell", "x", "y")]
)
def test_what_cannot_be_sent_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        commands.line(words, None)


def test_either_branch_of_a_choice_ends_with_the_mark() -> None:
    choice = commands.Choice("%1", "#{pane_dead}", ("kill-pane", "-t", "$x"), ("list-keys",))
    assert commands.line(choice, "m").decode() == (
        'if-shell -F -t "%1" "#{pane_dead}"'
        ' "kill-pane -t \\"\\\\\\$x\\" ; display-message -p m"'
        ' "list-keys ; display-message -p m"\n'
    )


def test_a_single_word_is_not_given_to_a_shell() -> None:
    with pytest.raises(ValueError, match="shell"):
        commands.new_session("a/b/c", (80, 24), ["sleep 1; touch x"])


def test_flags_are_for_a_tmux_that_knows_them() -> None:
    old, new = Version(3, 5, "a"), Version(3, 8)
    assert commands.paste(old, "%1", "b").otherwise[1] == "-drp"
    assert commands.paste(new, "%1", "b").otherwise[1] == "-drpS"
    for send in (commands.send_keys, commands.send_text):
        assert "-c" not in send(old, "%1", "x")
        assert send(new, "%1", "x")[:3] == ("send-keys", "-c", commands.NOBODY)


def test_a_start_command_with_a_pattern_is_no_guard() -> None:
    with pytest.raises(ValueError, match="pattern"):
        commands.keep_when_dead("a/b/c", "/usr/bin/env X=*")
