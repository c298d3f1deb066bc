"""What the live agents of a project tell: the part of it that ``ps`` needs. Blocking code."""

import os
from collections.abc import Iterable, Mapping

from agentcave.hosts import Host
from agentcave.model.observed import History, Key, Observed, ObservedSession
from agentcave.model.spec import CaveSpec, ScreenRule
from agentcave.plan.drift import NO_HISTORY
from agentcave.sessions.evidence import Subject, judge_all
from agentcave.tmux import Server

Rules = Mapping[Key, tuple[ScreenRule, ...]]


def attend(
    host: Host,
    server: Server,
    folder: str,
    observed: Observed,
    rules: Rules,
    *,
    every_screen: bool = False,
) -> Observed:
    """The same snapshot, with what live agents tell. ``folder``: the project's history."""
    if not folder:
        return observed
    live = [
        one for many in observed.sessions.values() for one in many if not (one.dead or one.unread)
    ]
    subjects = [subject(folder, one, rules) for one in live]
    told = judge_all(host, server, subjects, every_screen=every_screen)
    history = dict(observed.history)
    for one in live:
        if known := told[one.stamp.session].conversation:
            learn(history, one.stamp.key, one.stamp.session, known)
    judged = {session: one.judgement for session, one in told.items()}
    return observed._replace(judged=judged, history=history)


def subject(folder: str, session: ObservedSession, rules: Rules) -> Subject:
    own = os.path.join(folder, "sessions", session.stamp.session)
    return Subject(session, own, rules.get(session.stamp.key, ()))


def rules_of(caves: Iterable[CaveSpec]) -> Rules:
    """The screen rules that the caves file itself declares."""
    return {
        (cave.name, agent.name): agent.screen
        for cave in caves
        for agent in cave.agents
        if agent.screen
    }


def learn(history: dict[Key, History], key: Key, session: str, conversation: str) -> None:
    """Only the incarnation that the history knows may change what it says."""
    past = history.get(key, NO_HISTORY)
    if past.session == session and past.conversation != conversation:
        history[key] = past._replace(conversation=conversation)
