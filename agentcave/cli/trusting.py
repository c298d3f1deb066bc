"""Trust: a caves file found by search runs things only in a form that the user has seen."""

import argparse
import json
import os
import sys

from agentcave import config
from agentcave.cli.locate import Located
from agentcave.cli.terminal import can_ask, confirmed
from agentcave.config import trust
from agentcave.errors import NotTrusted
from agentcave.report.text import plain
from agentcave.state import State


def check_trust(
    args: argparse.Namespace, located: Located, document: config.Document, state: State
) -> None:
    """Raises NotTrusted, unless the file was named, was trusted as it is, or is trusted now.

    Naming a file with -f is consent, as with `make -f`.
    """
    _drop_values(document, state)
    if is_trusted(located, document, state):
        return
    require_ours(document)
    known = state.text("trust")
    what = "has changed since it was trusted" if known else "was found by search, and may run"
    if known is None:
        what += " commands as you"
    if can_ask():
        print(f"{document.file} {what}:\n{pending_diff(document, state)}", file=sys.stderr)
        if confirmed("Trust it in this form?"):
            record_trust(document, state)
            return
    raise NotTrusted(
        f"{document.file} {what}", "look at it, then `agentcave trust`; or name it with -f"
    )


def is_trusted(located: Located, document: config.Document, state: State) -> bool:
    if not located.found:
        return True
    known = state.texts("trust")
    return trust.foreign(document) is None and bool(known == trust.fingerprint(document))


def require_ours(document: config.Document) -> None:
    """Raises NotTrusted for files that others may change: then trust in a content is no use."""
    if why := trust.foreign(document):
        raise NotTrusted(
            f"{document.file} cannot be trusted: {why}", "mend that, or name it with -f"
        )


def record_trust(document: config.Document, state: State) -> None:
    _, key = state.ensure_key()
    state.set_meta(
        trust=json.dumps(trust.fingerprint(document)),
        trusted_files=json.dumps(trust.texts(document, key)),
        trusted_texts=None,
    )


def pending_diff(document: config.Document, state: State) -> str:
    """What has changed since the last trust; all of it the first time."""
    known = state.key()
    key = known[1] if known is not None else os.urandom(32)  # nothing is there to compare with
    before = _trusted_files(document, state, key)
    return plain(trust.changes(before, trust.texts(document, key)))


def _trusted_files(document: config.Document, state: State, key: bytes) -> dict[str, str]:
    """path -> what may be shown of the file as it was trusted.

    An older history holds whole env_files, under another name.
    """
    if state.text("trusted_files") is not None:
        return state.texts("trusted_files")
    return trust.without_values(document, state.texts("trusted_texts"), key)


def _drop_values(document: config.Document, state: State) -> None:
    """Take the values out of a history that holds some; what else was trusted is kept."""
    if state.text("trusted_texts") is not None:
        _, key = state.ensure_key()
        files = _trusted_files(document, state, key)
        state.set_meta(trusted_files=json.dumps(files), trusted_texts=None)
