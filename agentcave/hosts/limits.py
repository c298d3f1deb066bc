"""What of this machine is used up, wherever in the program that is met."""

import errno
from collections.abc import Iterator
from math import inf


def shortage(exc: BaseException) -> str | None:
    """What ran out, and the limit that may have said so; None for anything else."""
    return next(filter(None, map(_shortage, leaves(exc))), None)


def leaves(exc: BaseException) -> Iterator[BaseException]:
    """What task groups have wrapped."""
    if not isinstance(exc, BaseExceptionGroup):
        yield exc
        return
    for inner in exc.exceptions:
        yield from leaves(inner)


def descriptors_of(pid: int | None) -> float:
    """How many a process may have open; None: one that we begin and that takes all it may."""
    if pid is None:
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        return inf if hard == resource.RLIM_INFINITY else hard
    try:
        with open(f"/proc/{pid}/limits", encoding="ascii") as file:
            words = next((line.split() for line in file if line.startswith("Max open files")), [])
    except OSError:
        return inf
    return int(words[3]) if len(words) > 3 and words[3].isdigit() else inf


def _shortage(exc: BaseException) -> str | None:
    import resource

    match exc:
        case MemoryError() | OSError(errno=errno.ENOMEM):
            return f"memory is used up (`ulimit -v` is {_kibibytes(resource.RLIMIT_AS)})"
        case OSError(errno=errno.EAGAIN):
            return _processes()
        case RuntimeError() if "start new thread" in str(exc):
            return _processes()
        case _:
            return None


def _processes() -> str:
    import resource

    return f"no more processes can be started (`ulimit -u` is {_soft(resource.RLIMIT_NPROC)})"


def _soft(limit: int, unit: int = 1) -> str:
    import resource

    soft = resource.getrlimit(limit)[0]
    return "unlimited" if soft == resource.RLIM_INFINITY else str(soft // unit)


def _kibibytes(limit: int) -> str:
    return _soft(limit, 1024)
