"""The live session that CAVE or CAVE/AGENT means, for commands that need no file."""

import argparse
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from agentcave.cli import project as projects
from agentcave.cli.choose import groups_of, only_agent
from agentcave.errors import CaveError
from agentcave.model.observed import Key, ObservedSession
from agentcave.reconcile.attend import rules_of

if TYPE_CHECKING:
    from agentcave.sessions.line import TmuxLine

T = TypeVar("T")


def target(
    args: argparse.Namespace, word: str
) -> tuple[projects.Identity, Key, ObservedSession | None]:
    """The project, the agent, and its newest session if it has one."""
    identity, live = projects.identify(args, projects.begin_reading(args))
    spec = identity.spec or projects.spec_from_stamps(identity, live)
    declared = dict(spec.declared)
    for one in live:  # an orphan can be looked at too
        if one.is_controller:
            continue
        if one.stamp.uid == identity.uid and one.stamp.agent not in declared.get(
            one.stamp.cave, ()
        ):
            declared[one.stamp.cave] = (*declared.get(one.stamp.cave, ()), one.stamp.agent)
    key = only_agent(word, declared, groups_of(spec))
    sessions = [one for one in live if one.stamp.uid == identity.uid and one.stamp.key == key]
    return identity, key, sessions[-1] if sessions else None


def talk(
    args: argparse.Namespace, word: str, do: Callable[["TmuxLine"], Awaitable[T]]
) -> tuple[str, T]:
    """Do something at the terminal of the agent that ``word`` means; its name, and what came of it.

    Raises CaveError when nothing of that agent lives.
    """
    identity, key, session = _living(args, word)
    rules = rules_of(identity.spec.caves).get(key, ()) if identity.spec else ()

    async def at_the_terminal(found: ObservedSession) -> T:
        from agentcave.sessions import TmuxSessionManager

        socket = projects.server(args).socket
        async with TmuxSessionManager(socket, environ=os.environ) as sessions:
            return await do(await sessions.line(found.stamp.session, rules))

    import anyio

    return "/".join(key), anyio.run(at_the_terminal, session)


def live_target(args: argparse.Namespace, word: str) -> ObservedSession:
    """Raises CaveError when nothing of that agent lives."""
    return _living(args, word)[2]


def _living(args: argparse.Namespace, word: str) -> tuple[projects.Identity, Key, ObservedSession]:
    identity, key, session = target(args, word)
    if session is None:
        raise CaveError(
            f"{'/'.join(key)} of {identity.name} has no session", "`agentcave ps` tells why"
        )
    return identity, key, session
