"""What must never be lost: files of workspaces, ignored ones too, refs and stashes."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from caving import Cave

SEEDED = "plan.md"
"""The one context file that ``up`` may rewrite; agents leave it alone in these worlds."""


class Treasure(NamedTuple):
    """``files``: hash by path. ``refs``: object by name; stash entries too."""

    files: Mapping[str, str]
    refs: Mapping[str, str]

    def lost(self, cave: Cave) -> list[str]:
        """What is gone or is not what it was."""
        found = [
            f"{path} is {'changed' if os.path.lexists(path) else 'gone'}"
            for path, digest in self.files.items()
            if digest_of(Path(path)) != digest
        ]
        now = {ref: known for place in repositories(cave) for ref, known in refs(cave, place)}
        return found + [
            f"{ref} was {was}, is {now.get(ref)}"
            for ref, was in self.refs.items()
            if now.get(ref) != was
        ]


def record(cave: Cave, *caves: str) -> Treasure:
    """Everything that the main checkout and the workspaces of these caves hold now."""
    roots = [cave.root, *map(cave.workspace, caves)]
    files = {str(path): digest_of(path) for root in roots for path in files_of(cave, root)}
    places = [place for place in repositories(cave) if place in roots]
    return Treasure(files, {ref: known for place in places for ref, known in refs(cave, place)})


def bury(cave: Cave, name: str) -> None:
    """Leave work of every kind in a workspace: committed, stashed, edited, untracked, ignored."""
    place = cave.workspace(name)
    (place / "kept.txt").write_text(f"committed in {name}\n")
    cave.git("add", "kept.txt", cwd=place)
    cave.git("commit", "-qm", f"work in {name}", cwd=place)
    (place / "README.md").write_text(f"stashed in {name}\n")
    cave.git("stash", cwd=place)
    (place / "README.md").write_text(f"edited in {name}\n")
    (place / "new.txt").write_text(f"untracked in {name}\n")
    (place / "secret.log").write_text(f"ignored in {name}\n")
    (place / ".cave").mkdir(exist_ok=True)
    (place / ".cave" / "working-log.md").write_text(f"written by the agent of {name}\n")


def files_of(cave: Cave, root: Path) -> Iterator[Path]:
    """The files of a checkout: not git's own, not ours, not those that a test edits."""
    for folder, folders, names in os.walk(root):
        folders[:] = [one for one in folders if one not in (".git", ".agentcave")]
        for name in names:
            path = Path(folder, name)
            ours = path.parent.name == ".cave" and name in (SEEDED, ".gitignore")
            if not ours and name != ".git" and path != cave.root / "caves.yaml":
                yield path


def repositories(cave: Cave) -> list[Path]:
    """The main checkout and the clones; worktrees share the refs of the first."""
    return [cave.root, *(git.parent for git in cave.workspace(".").glob("*/.git") if git.is_dir())]


def refs(cave: Cave, place: Path) -> Iterator[tuple[str, str]]:
    listed = cave.git("for-each-ref", "--format=%(refname) %(objectname)", cwd=place)
    for line in listed.splitlines():
        name, known = line.split()
        yield f"{place} {name}", known
    for known in cave.git("stash", "list", "--format=%H", cwd=place).split():
        yield f"{place} stash {known}", known


def digest_of(path: Path) -> str:
    try:
        content = os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes()
    except OSError:
        return "nothing"
    return hashlib.sha256(content).hexdigest()
