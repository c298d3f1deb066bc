import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from agentcave.tmux.client import connect
from agentcave.tmux.formats import unquote
from tests.tmux.conftest import World

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
nasty = st.text(st.sampled_from("$~#;{}%='\"\\\n\r\t\x1b ()[]!&|<>*?`^é漢0123an"))
PLACES = [
    "~",
    "~root",
    "$HOME",
    "${HOME}",
    "%if 1",
    "A=b",
    "#{pid}",
    "#(true)",
    "\\",
    "\\n",
    "-x",
    "",
]


@settings(max_examples=40, deadline=None)
@given(st.lists(texts | nasty | st.sampled_from(PLACES), min_size=1, max_size=25))
def test_every_text_comes_back_from_tmux_as_it_was_sent(
    shared_world: World, sent: list[str]
) -> None:
    async def round_trip() -> list[str]:
        world = shared_world
        async with connect(world.server, world.host.run, environ=world.environ) as client:
            got = [""] * len(sent)

            async def there_and_back(i: int) -> None:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(client.run, "set-option", "-g", f"@text{i}", sent[i])
                    tasks.start_soon(collect, i)

            async def collect(i: int) -> None:
                lines = await client.run("display-message", "-p", f"#{{q:@text{i}}}")
                got[i] = unquote(b"\n".join(lines).decode())

            async with anyio.create_task_group() as tasks:
                for i in range(len(sent)):
                    tasks.start_soon(there_and_back, i)
            return got

    assert anyio.run(round_trip) == sent
