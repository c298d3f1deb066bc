"""Which caves a command works on."""

from collections.abc import Collection, Iterator, Sequence

from agentcave.errors import UsageError

from .document import Document
from .problems import nearest, printable


def select(
    document: Document,
    names: Sequence[str] = (),
    *,
    profiles: Collection[str] = (),
    dependencies: bool = True,
) -> tuple[str, ...]:
    """The caves to work on, in file order.

    Named ones (a group stands for its replicas), or else all whose profiles are empty or
    selected; with the caves they require. Raises ``UsageError`` for unknown names.
    """
    _check_profiles(document, profiles)
    chosen = set(_named(document, names) if names else _enabled(document, profiles))
    if dependencies:
        chosen |= _required(document, chosen)
    return tuple(name for name in document.caves if name in chosen)


def _check_profiles(document: Document, profiles: Collection[str]) -> None:
    if not profiles:
        return
    known = {p for cave in document.caves.values() for p in cave.get("profiles", ())}
    for profile in profiles:
        if profile not in known:
            hint = nearest(profile, known) or (
                f"known are {', '.join(sorted(known))}" if known else "the file has no profiles"
            )
            raise UsageError(f"no profile {printable(profile)} in {document.name}", hint)


def _named(document: Document, names: Sequence[str]) -> Iterator[str]:
    unknown = [n for n in names if n not in document.caves and n not in document.groups]
    if unknown:
        known = [*document.caves, *document.groups]
        hint = nearest(unknown[0], known) or f"known are {', '.join(known[:10])}"
        raise UsageError(f"no cave {printable(', '.join(unknown))} in {document.name}", hint)
    for name in names:
        yield from document.groups.get(name, (name,))


def _enabled(document: Document, profiles: Collection[str]) -> Iterator[str]:
    selected = set(profiles)
    for name, cave in document.caves.items():
        own = cave.get("profiles")
        if not own or not selected.isdisjoint(own):
            yield name


def _required(document: Document, chosen: Collection[str]) -> set[str]:
    found = set(chosen)
    pending = list(chosen)
    while pending:
        for other, how in document.caves[pending.pop()].get("depends_on", {}).items():
            if how.get("required", True):
                fresh = set(document.groups.get(other, (other,))) - found
                found |= fresh
                pending += fresh
    return found
