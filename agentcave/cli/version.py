"""``agentcave version``."""

import argparse
import sys

from agentcave.errors import CaveError
from agentcave.hosts import LocalHost


def arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    print(f"agentcave {_version()}")
    print(f"python {sys.version.split()[0]}")
    for argv in (["tmux", "-V"], ["git", "--version"]):
        try:
            said = LocalHost().read(argv, timeout=5).stdout.decode(errors="replace").strip()
        except CaveError as exc:
            said = f"{argv[0]}: {exc}"
        print(said)
    return 0


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("agentcave")
    except PackageNotFoundError:
        return "(run from its sources, not installed)"
