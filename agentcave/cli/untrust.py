"""``agentcave untrust``: take trust back."""

import argparse

from agentcave.cli import project as projects
from agentcave.report.text import plain


def arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    located = projects.require(projects.locate(args, changes=True))
    state = projects.state_for_reading(located.uid)
    if state.text("trust") is None:
        print(plain(f"{located.files[0]} was not trusted"))
        return 0
    name = state.folder.rpartition("/")[2].rpartition("-")[0]
    writable = projects.state_for_writing(name, located.uid, located.files[0])
    writable.set_meta(trust=None, trusted_files=None, trusted_texts=None)
    print(plain(f"{located.files[0]} is no longer trusted"))
    return 0
