"""What is read of panes on a real server, whatever stands in the fields that others choose."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agentcave.tmux.commands import literal, quote
from agentcave.tmux.formats import STAMP
from tests.tmux.conftest import World

NASTY = [
    *(
        " ",
        "\\",
        "\\ ",
        "\\037",
        "\\\\",
        "$1 %2 3",
        "\n$1 %2 3 0",
        "\t",
        "\x1f",
        "\x1b[31m",
        "\x7f",
    ),
    *("$HOME", "${x}", "$", "~", "'", '"', ";", "{a,b}", "#{pid}", "#", "%1", "[x]", "*", "?", "|"),
    *("é", "漢字", "🦊", "\u202e", "\u0085", "a:b", "a.b", "=x", STAMP, f"{STAMP}abc /bin/sh x"),
]
texts = st.lists(
    st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    max_size=4,
).map(lambda parts: "".join(parts).replace("\0", ""))
TOLD = "#{pane_id} #{pane_pid} #{n:session_name} #{n:pane_start_command} #{n:pane_title}"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=4))
def test_nothing_in_a_field_moves_another(
    shared_world: World, given: list[tuple[str, str, str]]
) -> None:
    world = shared_world
    world.try_tmux("new-session", "-d", "-s", "stays", "--", "sleep", "600")
    world.tmux("kill-session", "-a", "-t", "=stays")
    for number, (name, argument, title) in enumerate(given):
        where = f"new-session -d -s {quote(literal(f'{number}{name}'))} -- "
        words = f"sh -c {quote('exec sleep 600')} {quote(argument)}"
        script = f"{where}{words}\nselect-pane -T {quote(literal(title))}\n".encode()
        world.host.read(world.server.script_argv(), environment=world.environ, stdin=script)
    rows = world.rows()
    told = [line.split() for line in world.tmux("list-panes", "-a", "-F", TOLD).split("\n")]
    assert [row.problem for row in rows] == [""] * len(rows)
    assert [row.stamp for row in rows] == [None] * len(rows)
    assert [
        [
            *(row.pane_id, str(row.pane_pid)),
            *(size(row.session_name), size(row.start_command), size(row.title)),
        ]
        for row in rows
    ] == told


def size(text: str) -> str:
    """In bytes, as the modifier ``n`` counts."""
    return str(len(text.encode(errors="surrogateescape")))
