"""Which conversations can go on, and which ended sessions were in. Blocking code."""

import glob
import os
import re
from collections.abc import Mapping

from agentcave.agents import Start, known_adapter
from agentcave.apply.environment import compose
from agentcave.hosts import Host
from agentcave.model.desired import Desired, DesiredAgent
from agentcave.model.observed import History, Key, Observed
from agentcave.plan.digest import environment_of
from agentcave.reconcile.attend import learn
from agentcave.sessions.evidence import bug_of, read_events, screens
from agentcave.tmux import Server


def remember_talks(
    host: Host,
    server: Server,
    folder: str,
    desired: Desired,
    observed: Observed,
    environ: Mapping[str, str],
) -> Observed:
    """The same snapshot, with which conversations can go on, and which ended sessions were in."""
    history = dict(observed.history)
    failed = _failed_resumes(host, server, observed)
    unresumable = {}
    for cave in desired.caves.values():
        for agent in cave.agents:
            adapter = known_adapter(agent.spec.type)
            past = history.get(agent.key)
            if not adapter.CONVERSES or past is None:
                continue
            bug = _last_talk(folder, history, agent, observed)
            past = history[agent.key]
            why = bug or failed.get(agent.key) or _lost(desired, agent, past, environ)
            if past.conversation is not None and why:
                unresumable[agent.key] = why
    return observed._replace(history=history, unresumable=unresumable)


def _last_talk(
    folder: str, history: dict[Key, History], agent: DesiredAgent, observed: Observed
) -> str | None:
    """Learn from the folder of an incarnation that has ended; its pane may be gone.

    Returns what is wrong with the adapter, if it fails: which one was the last is not known then.
    """
    past = history[agent.key]
    if past.session is None or past.session in observed.judged:
        return None
    own = os.path.join(folder, "sessions", past.session)
    adapter = known_adapter(agent.spec.type)
    try:
        known = adapter.conversation(read_events(adapter, own))
    except Exception as exc:
        return bug_of(adapter, exc)
    if known:
        learn(history, agent.key, past.session, known)
    return None


def _lost(
    desired: Desired, agent: DesiredAgent, past: History, environ: Mapping[str, str]
) -> str | None:
    """Why the transcript of the last conversation cannot be gone on with."""
    cave = desired.caves[agent.cave].spec
    declared = environment_of(cave, agent.spec, desired.env)
    place = os.path.join(os.path.realpath(cave.workspace.path), agent.spec.working_dir)
    start = Start(
        agent.spec,
        os.path.realpath(place),
        compose(environ, cave, declared, {}),
        past.conversation,
    )
    pattern = known_adapter(agent.spec.type).transcript(start)
    if pattern is None or any(map(_holds_something, glob.iglob(pattern))):
        return None
    return "the transcript of the last one is gone"


def _holds_something(path: str) -> bool:
    try:
        return os.path.getsize(path) > 0
    except OSError:  # it has just gone
        return False


def _failed_resumes(host: Host, server: Server, observed: Observed) -> dict[Key, str]:
    """Agents that ended at once because they could not go on with their conversation."""
    ended = [
        many[-1]
        for key, many in observed.sessions.items()
        if many[-1].dead
        and many[-1].exit_status
        and (past := observed.history.get(key)) is not None
        and past.resumed
        and past.session == many[-1].stamp.session
    ]
    shown = screens(host, server, ended)
    found = {}
    for one in ended:
        adapter = known_adapter(one.stamp.type)
        screen = shown.get(one.stamp.session, "")
        if adapter.UNRESUMABLE and (match := re.search(adapter.UNRESUMABLE, screen)):
            found[one.stamp.key] = f"resuming failed ({match[0].strip()})"
    return found
