import os
import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from agentcave.workspaces.branches import conflict, is_valid

TELLING = st.text(alphabet="ab/.-@{}~^:?*[\\ \tlock\x7fé", max_size=9)


@settings(max_examples=150, deadline=None)
@given(TELLING | st.lists(st.sampled_from(["a", "HEAD", "@", "x.lock", ".x"])).map("/".join))
def test_git_agrees_about_every_branch_name(name: str) -> None:
    said = subprocess.run(
        ["git", "check-ref-format", f"refs/heads/{name}"], check=False, capture_output=True
    )
    fit_for_a_branch = not name.startswith("-") and name not in ("HEAD", "@")
    assert is_valid(name) == (said.returncode == 0 and fit_for_a_branch), os.fsencode(name)


def test_a_branch_and_a_folder_of_branches_exclude_each_other() -> None:
    assert conflict("cave/api", frozenset({"cave"})) == "cave"
    assert conflict("cave", frozenset({"cave/api", "caves"})) == "cave/api"
    assert conflict("cave/api", frozenset({"cave/web", "cave/api"})) is None
