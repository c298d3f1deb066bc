"""What agentcave keeps is nobody else's to read, whatever the umask."""

import stat

import pytest
from caving import SLEEPER, Cave

CAVES = (
    "version: 1\nname: shop\ncaves:\n  api:\n    setup: [['true']]\n"
    f"    agents: {{shell: {SLEEPER}}}\n"
)


@pytest.mark.parametrize("umask", ["0", "022", "077"])
def test_every_folder_of_state_and_cache_is_private(cave: Cave, umask: str) -> None:
    cave.declare(CAVES)
    for words in ("up -f caves.yaml", "restart -f caves.yaml", "ps"):
        assert cave.shell(f"umask {umask}; $agentcave {words}").code == 0
    tops = [cave.home / "state", cave.home / "cache"]
    folders = [*tops, *(one for top in tops for one in top.rglob("*") if one.is_dir())]
    assert cave.state() / "sessions" in folders
    modes = {str(one): stat.S_IMODE(one.stat().st_mode) for one in folders}
    assert modes == dict.fromkeys(modes, 0o700)
