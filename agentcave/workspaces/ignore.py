"""``.agentcave/.gitignore``: what keeps workspaces out of the main checkout's status."""

import contextlib
import os

from agentcave.errors import CaveError
from agentcave.hosts.files import regular
from agentcave.workspaces.trees import DIRECTORY, remove_tree

FOLDER = ".agentcave"
EVERYTHING = b"*\n"


def is_ignored(directory: str) -> bool:
    """Whether ``.agentcave/.gitignore`` is as it should be."""
    path = os.path.join(directory, FOLDER, ".gitignore")
    try:
        with open(path, "rb", opener=regular) as file:
            return file.read(16) == EVERYTHING
    except OSError:
        return False


def ensure_ignored(directory: str) -> None:
    """Write ``.agentcave/.gitignore`` unless it is right; a symlink there is not followed."""
    if is_ignored(directory):
        return
    folder = os.path.join(directory, FOLDER)
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder)
        descriptor = os.open(folder, DIRECTORY)
        try:
            _replace(descriptor)
        finally:
            os.close(descriptor)
    except OSError as exc:
        raise CaveError(
            f"cannot write {folder}/.gitignore: {exc.strerror}",
            f"{folder} has to be a plain directory that you can write to",
        ) from exc


def _replace(folder: int) -> None:
    temporary = f".gitignore.{os.getpid()}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    remove_tree(folder, temporary)
    with open(os.open(temporary, flags, 0o644, dir_fd=folder), "wb") as file:
        file.write(EVERYTHING)
    os.rename(temporary, ".gitignore", src_dir_fd=folder, dst_dir_fd=folder)
