"""The draft-07 schema is the truth: a fast verdict by code compiled from it, or all flaws."""

import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from .problems import Flaw, Path, nearest

if TYPE_CHECKING:
    from jsonschema import ValidationError

_KINDS = {
    "object": "a mapping", "array": "a list", "string": "a string", "integer": "a whole number",
    "number": "a number", "boolean": "true or false",
}  # fmt: skip


AS_WRITTEN = ".is_integer() is None"
"""Never so: to JSON Schema 2.0 is an integer; to YAML, and to whoever counts caves, it is none."""


def schema_text() -> str:
    """The text of caves.schema.json, as editors read it."""
    path = os.path.join(os.path.dirname(__file__), "caves.schema.json")
    with open(path, encoding="utf-8") as file:
        return file.read()


@cache
def schema() -> dict[str, Any]:
    import json

    loaded: dict[str, Any] = json.loads(schema_text())
    return loaded


@cache
def agent_types() -> tuple[str, ...]:
    """The types of agents that are known here."""
    rule = schema()["definitions"]["agent"]["properties"]["type"]
    return tuple(word for word in rule["anyOf"][0]["enum"] if word)


def provided_types() -> tuple[str, ...]:
    """The types that other packages provide; asked only for a word that is not known here."""
    from importlib.metadata import entry_points

    return tuple(entry.name for entry in entry_points(group="agentcave.agents"))


@cache
def _compiled(folder: str | None) -> Any:
    """The schema as a function; its code is kept in ``folder``, for compiling it takes 0.1 s."""
    import marshal
    import sys

    import fastjsonschema

    from agentcave.model.hashing import sha256

    from . import cache as stored

    versions = f"{sys.version} {fastjsonschema.VERSION} {AS_WRITTEN} {schema_text()}"
    key = bytes(sha256(versions.encode()).digest())
    path = os.path.join(folder or "", "schema.compiled")
    kept = stored.fetch(path, key) if folder else None
    if kept is not None:
        code = marshal.loads(kept)
    else:
        text = fastjsonschema.compile_to_code(schema(), use_default=False, use_formats=False)
        code = compile(text.replace(".is_integer()", AS_WRITTEN), "caves.schema.json", "exec")
        if folder:
            stored.keep(path, key, marshal.dumps(code))
    names: dict[str, Any] = {}
    exec(code, names)
    return names["validate"]


def is_valid(value: Any, folder: str | None = None) -> bool:
    import fastjsonschema

    try:
        _compiled(folder)(value)
    except fastjsonschema.JsonSchemaValueException:
        return False
    return True


def flaws(value: Any, folder: str | None = None) -> list[Flaw]:
    """Everything in a file's value that the schema does not allow. ``folder``: for the cache."""
    if is_valid(value, folder):
        return []
    from jsonschema import Draft7Validator
    from jsonschema.validators import extend

    types = Draft7Validator.TYPE_CHECKER.redefine("integer", lambda _, one: type(one) is int)
    strict = extend(Draft7Validator, type_checker=types)  # type: ignore[no-untyped-call]  # by its stubs
    errors = strict(schema()).iter_errors(value)
    return list(dict.fromkeys(flaw for error in errors for flaw in _said(error)))


def _said(error: "ValidationError") -> Iterator[Flaw]:
    path: Path = tuple(error.absolute_path)
    instance: Any = error.instance
    rule: Mapping[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    if error.validator == "additionalProperties":
        yield from _unknown_keys(path, instance, rule)
    elif error.validator == "required":
        missing = [key for key in rule["required"] if key not in instance]
        yield from (Flaw(path, f"{key} is missing", at_key=True) for key in missing)
    elif "propertyNames" in error.schema_path:
        yield _bad_name((*path, instance), instance, rule["x-problem"])
    elif error.validator == "enum" and "x-problem" not in rule:
        yield _unknown_word(path, instance, rule)
    else:
        yield Flaw(path, rule.get("x-problem") or _generic(error))


def _unknown_keys(path: Path, instance: Any, rule: Mapping[str, Any]) -> Iterator[Flaw]:
    known = rule["properties"]
    for key in instance:
        if key not in known and not key.startswith("x-"):
            hint = nearest(key, known) or f"known here: {', '.join(known)}"
            yield Flaw((*path, key), "unknown key", hint, at_key=True)


def _bad_name(path: Path, name: str, problem: str) -> Flaw:
    from agentcave.model import names

    hint = f"for example {names.suggest(name)}" if "40" in problem else None
    return Flaw(path, problem, hint, at_key=True)


def _unknown_word(path: Path, word: Any, rule: Mapping[str, Any]) -> Flaw:
    known = [str(option) for option in rule["enum"] if option is not None]
    if not isinstance(word, str):
        return Flaw(path, f"must be one of {', '.join(known)}")
    return unknown_word(path, word, known, rule.get("x-reserved", ()))


def unknown_word(
    path: Path, word: str, known: list[str], reserved: list[str] | tuple[str, ...] = ()
) -> Flaw:
    """A word that is not one of those known; a reserved one gets its own message."""
    options = ", ".join(known)
    if word in reserved:
        return Flaw(path, f"{word} is not supported yet by this version", f"it knows {options}")
    return Flaw(path, f"{word[:40]} is not one of {options}", nearest(word, known))


def _generic(error: "ValidationError") -> str:
    limit: Any = error.validator_value
    match error.validator:
        case "type":
            kinds = [limit] if isinstance(limit, str) else limit
            return f"must be {' or '.join(_KINDS[kind] for kind in kinds if kind != 'null')}"
        case "minLength" | "minItems":
            return "must not be empty"
        case "minimum":
            return f"must be at least {limit}"
        case "maximum":
            return f"must be at most {limit}"
        case _:
            return "is not allowed here"
