"""``agentcave stop``: end agents until ``start``, ``restart`` or ``down``."""

import argparse
from functools import partial

from agentcave.cli import agents
from agentcave.cli import project as projects
from agentcave.cli.choose import groups_of, keys_of
from agentcave.cli.converge import change_intents, converge, writing
from agentcave.model.desired import Request

arguments = agents.arguments


def run(args: argparse.Namespace) -> int:
    projects.check_place(args)
    identity, live = projects.identify(args, projects.begin_reading(args), ending=True)
    spec = identity.spec or projects.spec_from_stamps(identity, live)
    words = args.names or [cave.name for cave in spec.caves]
    keys = keys_of(words, spec.declared, groups_of(spec))
    with writing(args, identity.name, identity.uid, identity.file) as (state, lock):
        request = Request(only=frozenset(keys), force=True, cause="stop")
        intend = partial(change_intents, state, keys, "stopped")
        return converge(args, spec, state, lock, request, wanted="stopped", intend=intend)
