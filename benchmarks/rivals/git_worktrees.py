"""Add worktrees N at a time: registered in turn, checked out at once.

That is as concurrent as git allows: two of its `worktree add` at one time can trip over each
other's half-written registration ("failed to read …/commondir").
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

turn = Lock()


def add(path: str) -> None:
    branch = f"cave/{Path(path).name}"
    with turn:
        register = ("git", "worktree", "add", "--quiet", "--no-checkout", "-b", branch, path)
        subprocess.run(register, check=True)
    subprocess.run(("git", "-C", path, "reset", "--hard", "--quiet"), check=True)


with ThreadPoolExecutor(int(sys.argv[2])) as pool:
    list(pool.map(add, json.loads(Path(sys.argv[1]).read_text())))
