"""The digest: an allow-list of declared fields, keyed, never the argv that an adapter builds.

Keyed, since env_file values are in it and must not be guessable from what tmux shows. With the
key lost the key ids differ, and a digest that cannot be compared counts as equal (CONTRACT §2).
"""

import json
from collections.abc import Mapping
from typing import Any

from agentcave.model.hashing import hmac_hex
from agentcave.model.spec import AgentSpec, CaveSpec

DigestKey = tuple[str, bytes]


def declared_fields(cave: CaveSpec, agent: AgentSpec, env: Mapping[str, str]) -> dict[str, Any]:
    """Everything whose change needs a new process, by the name that a person knows it by.

    What is at its default is left out, so that a new field restarts nobody.
    """
    fields: dict[str, Any] = {
        "type": agent.type,
        "command": agent.command,
        "args": agent.args,
        "working_dir": agent.working_dir,
        "model": agent.model,
        "permission_mode": agent.permission_mode,
        "trust_workspace": agent.trust_workspace,
    }
    fields = {name: value for name, value in fields.items() if value not in (None, (), False, ".")}
    if cave.inherit_environment is not None:  # no name at all is not the default, which is all
        fields["inherit_environment"] = cave.inherit_environment
    for name, value in environment_of(cave, agent, env).items():
        fields[f"environment.{name}"] = value
    for secret in (*cave.secrets, *agent.secrets):
        fields[f"secrets.{secret.name}"] = (secret.kind, secret.source)
    return fields


def environment_of(
    cave: CaveSpec, agent: AgentSpec, env: Mapping[str, str]
) -> dict[str, str | None]:
    """What is declared for the agent's environment, in the contract's order (CONTRACT §3)."""
    return {**env, **cave.environment, **agent.environment}


def digest(fields: Mapping[str, Any], key: DigestKey) -> str:
    return f"{key[0]}:{_keyed(fields, key)[:24]}"


def same(one: str, other: str | None) -> bool:
    """Whether two digests are equal, or cannot be compared."""
    return other is None or one == other or one.partition(":")[0] != other.partition(":")[0]


def pack_fields(fields: Mapping[str, Any], key: DigestKey) -> str:
    """A fingerprint of each field by itself, for naming later what changed."""
    prints = {name: _keyed(value, key)[:8] for name, value in fields.items()}
    return json.dumps([key[0], prints])


def changed_fields(packed: str, fields: Mapping[str, Any], key: DigestKey) -> tuple[str, ...]:
    """Names of fields that are not as they were packed; () when that cannot be told."""
    try:
        made_with, before = json.loads(packed)
        before = dict(before)
    except (ValueError, TypeError):
        return ()
    if made_with != key[0]:
        return ()
    now = json.loads(pack_fields(fields, key))[1]
    return tuple(sorted(n for n in before | now if before.get(n) != now.get(n)))


def _keyed(value: Any, key: DigestKey) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hmac_hex(key[1], text.encode("utf-8", "surrogateescape"))
