"""The SQLite file: rows in, values out. Bodies that nothing queries are JSON."""

import contextlib
import json
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agentcave.errors import CaveError
from agentcave.model.observed import History, Key, SeedRecord, WorkspaceRecord
from agentcave.state import rows

FORMAT = 3
COLUMNS = {1: History._fields[:-3], 2: History._fields[:-2], FORMAT: History._fields}
"""What `agents` holds in each format that can be read; in order, so that later ones are added."""
PATIENCE = 10.0
"""Seconds that another program may keep it locked."""
EVENTS_KEPT = 10_000
ENDED = "session-ended"
"""The action of an event that tells of what was seen and not of what was done."""
EVENTS_LOOKED_AT = 1_000
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS agents (
    cave TEXT, agent TEXT, {", ".join(History._fields)}, PRIMARY KEY (cave, agent)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS workspaces (cave TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contexts (cave TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS screens (cave TEXT, agent TEXT, text TEXT, PRIMARY KEY (cave, agent));
CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, body TEXT);
PRAGMA user_version = {FORMAT};
"""


class State:
    """An open history. Every write is one transaction; a full disk is a ``CaveError``."""

    def __init__(
        self, connection: sqlite3.Connection | None, folder: str, found: int = FORMAT
    ) -> None:
        self._connection = connection
        self._format = found
        self.folder = folder

    @property
    def is_open(self) -> bool:
        """Whether there is a history at all; reading, none is an empty one."""
        return self._connection is not None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def key(self) -> tuple[str, bytes] | None:
        """The key of the digests and its id; None when there is no history yet."""
        key = self.meta("key")
        return (self.text("key_id") or "", key) if key else None

    def ensure_key(self) -> tuple[str, bytes]:
        known = self.key()
        if known is not None:
            return known
        made = (os.urandom(4).hex(), os.urandom(32))
        self.set_meta(key_id=made[0], key=made[1])
        return made

    def meta(self, name: str) -> bytes | None:
        for (value,) in self._rows("SELECT value FROM meta WHERE name = ?", (name,)):
            if value is None:
                return None
            return value if isinstance(value, bytes) else str(value).encode()
        return None

    def text(self, name: str) -> str | None:
        value = self.meta(name)
        with self.understanding(f"meta: {name}"):
            return None if value is None else value.decode()

    def texts(self, name: str) -> dict[str, str]:
        """A mapping that is kept as JSON; nothing where there is none."""
        with self.understanding(f"meta: {name}"):
            return rows.texts(self.text(name))

    def set_meta(self, **values: str | bytes | None) -> None:
        with self._writing() as db:
            db.executemany("REPLACE INTO meta VALUES (?, ?)", values.items())

    def histories(self) -> dict[Key, History]:
        columns = ", ".join(COLUMNS[self._format])
        found = list(self._rows(f"SELECT cave, agent, {columns} FROM agents"))
        with self.understanding("agents"):
            return rows.histories(found)

    def put_histories(
        self, histories: Mapping[Key, History], events: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        """``events`` go with them: each transaction costs an fsync."""
        marks = ", ".join("?" * (len(History._fields) + 2))
        with self._writing() as db:
            values = ((*key, *history) for key, history in histories.items())
            db.executemany(f"REPLACE INTO agents VALUES ({marks})", values)
            _add(db, events)

    def workspaces(self) -> dict[str, WorkspaceRecord]:
        found = self._rows("SELECT cave, body FROM workspaces")
        with self.understanding("workspaces"):
            return {cave: rows.workspace(body) for cave, body in found}

    def put_workspaces(self, records: Mapping[str, WorkspaceRecord]) -> None:
        with self._writing() as db:
            values = ((cave, json.dumps(record._asdict())) for cave, record in records.items())
            db.executemany("REPLACE INTO workspaces VALUES (?, ?)", values)

    def forget_workspace(self, cave: str) -> None:
        with self._writing() as db:
            db.execute("DELETE FROM workspaces WHERE cave = ?", (cave,))
            db.execute("DELETE FROM contexts WHERE cave = ?", (cave,))

    def seeds(self) -> dict[str, dict[str, SeedRecord]]:
        found = list(self._rows("SELECT cave, body FROM contexts"))
        with self.understanding("contexts"):
            known = rows.seeds([body for _, body in found])
        return {cave: body for (cave, _), body in zip(found, known, strict=True)}

    def put_seeds(self, seeds: Mapping[str, Mapping[str, SeedRecord]]) -> None:
        with self._writing() as db:
            values = ((cave, json.dumps(records)) for cave, records in seeds.items())
            db.executemany("REPLACE INTO contexts VALUES (?, ?)", values)

    def screen(self, key: Key) -> str | None:
        """The last screen of an agent that has ended."""
        for (text,) in self._rows("SELECT text FROM screens WHERE cave = ? AND agent = ?", key):
            return str(text)
        return None

    def put_screens(self, screens: Mapping[Key, str]) -> None:
        with self._writing() as db:
            values = ((*key, text) for key, text in screens.items())
            db.executemany("REPLACE INTO screens VALUES (?, ?, ?)", values)

    def events(self, after: int = 0) -> list[tuple[int, dict[str, Any]]]:
        found = self._rows("SELECT id, body FROM events WHERE id > ? ORDER BY id", (after,))
        with self.understanding("events"):
            return [(number, rows.event(body)) for number, body in found]

    def failures(self) -> dict[str, str]:
        """Per cave, why its last step was not done; nothing where the last one was."""
        told: dict[str, str] = {}
        events = self.events(self._last_event() - EVENTS_LOOKED_AT)
        with self.understanding("events"):
            for _, event in events:
                _take_failure(told, event)
        return told

    def _last_event(self) -> int:
        for (number,) in self._rows("SELECT max(id) FROM events"):
            return number or 0
        return 0

    def add_events(self, events: Iterable[Mapping[str, Any]]) -> None:
        with self._writing() as db:
            _add(db, events)

    @contextlib.contextmanager
    def understanding(self, what: str) -> Iterator[None]:
        """Raise CaveError for a part of the history that somebody has damaged."""
        try:
            yield
        except rows.DAMAGE as exc:
            raise _damaged(self.folder, f"what it holds is damaged ({what})") from exc

    def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> Iterator[Any]:
        if self._connection is None:
            return iter(())
        try:
            return iter(self._connection.execute(sql, values).fetchall())
        except sqlite3.Error as exc:
            raise _unreadable(self.folder, exc) from exc

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        assert self._connection is not None, "this history was opened for reading"
        try:
            with self._connection as db:
                yield db
        except sqlite3.Error as exc:
            raise _unwritable(self.folder, exc) from exc


def _take_failure(told: dict[str, str], event: Mapping[str, Any]) -> None:
    if event["cave"] is None or event["action"] == ENDED:
        return
    if event["outcome"] == "done":
        told.pop(event["cave"], None)
    elif event["outcome"] != "skipped" or event["cave"] not in told:
        told[event["cave"]] = f"{event['outcome']}: {event['error']}"


def _add(db: sqlite3.Connection, events: Iterable[Mapping[str, Any]]) -> None:
    values = [(json.dumps(event),) for event in events]
    db.executemany("INSERT INTO events (body) VALUES (?)", values)
    if values:
        kept = "(SELECT max(id) FROM events) - ?"
        db.execute(f"DELETE FROM events WHERE id <= {kept}", (EVENTS_KEPT,))


def open_state(folder: str) -> State:
    """Open the history for writing, made when missing. Raises CaveError for a damaged one."""
    connection, found = _opened(folder, "rwc")
    if found != FORMAT:
        try:
            _upgrade(connection) if found else connection.executescript(SCHEMA)
        except sqlite3.Error as exc:
            connection.close()
            raise _unwritable(folder, exc) from exc
    return State(connection, folder)


def _upgrade(connection: sqlite3.Connection) -> None:
    """Add what a history of an earlier format lacks; of two that come at once, the first does."""
    connection.execute("BEGIN IMMEDIATE")
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    for column in History._fields[len(COLUMNS[found]) :]:
        value = History._field_defaults[column]
        default = "NULL" if value is None else int(value)
        connection.execute(f"ALTER TABLE agents ADD COLUMN {column} DEFAULT {default}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.commit()


def read_state(folder: str | None) -> State:
    """Open the history for reading only; none is an empty one. Works where nothing is writable."""
    if folder is None or not os.path.exists(path := os.path.join(folder, "state.db")):
        return State(None, folder or "")
    connection, found = _opened(folder, "rw" if os.access(path, os.W_OK) else "ro")
    if found:
        return State(connection, folder, found)
    connection.close()
    return State(None, folder)


def _opened(folder: str, mode: str) -> tuple[sqlite3.Connection, int]:
    """A connection, and the format of what it leads to (0: nothing yet)."""
    path = os.path.join(folder, "state.db")
    _require_files(path)
    connection: sqlite3.Connection | None = None
    try:
        connection = _connect(path, mode)
        if mode != "ro":
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA secure_delete = ON")  # what was dropped leaves the file
        found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as exc:
        if connection is not None:
            connection.close()
        raise _unreadable(folder, exc) from exc
    if found and found not in COLUMNS:
        connection.close()
        raise CaveError(
            f"{path} was written by a newer agentcave (format {found})",
            "upgrade agentcave, or move that file away: it holds counters and logs",
        )
    return connection, found


def _require_files(path: str) -> None:
    """Raise CaveError where SQLite would open, and wait for, something else than a file."""
    for name in (path, f"{path}-journal", f"{path}-wal"):
        with contextlib.suppress(OSError):
            if not stat.S_ISREG(os.stat(name).st_mode):
                raise CaveError(f"{name} is not a regular file", "move it away to go on")


def _connect(path: str, mode: str) -> sqlite3.Connection:
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return sqlite3.connect(f"file:{quoted}?mode={mode}", uri=True, timeout=PATIENCE)


def _unwritable(folder: str, exc: sqlite3.Error) -> CaveError:
    if _is_locked(exc):
        return _locked(folder)
    return CaveError(
        f"cannot write the project's history in {folder}: {exc}",
        "free some space or make it writable, then run the same command again",
    )


def _unreadable(folder: str, exc: sqlite3.Error) -> CaveError:
    return _locked(folder) if _is_locked(exc) else _damaged(folder, str(exc))


def _damaged(folder: str, why: str) -> CaveError:
    return CaveError(
        f"cannot read the project's history in {folder}: {why}",
        f"move {os.path.join(folder, 'state.db')} away to go on: what runs and all workspaces are "
        "found again; trust is asked for again, and agents that do not run begin new conversations",
    )


def _is_locked(exc: sqlite3.Error) -> bool:
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF  # the rest says more about it
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _locked(folder: str) -> CaveError:
    path = os.path.join(folder, "state.db")
    pids = _holders(path)
    who = f"process {', '.join(pids)}" if pids else "another program (a backup, a database shell)"
    return CaveError(
        f"cannot use the project's history {path}: {who} has kept it locked for {PATIENCE:g} s",
        "end that or wait for it, then run the same command again",
    )


def _holders(path: str) -> list[str]:
    """Whose locks the kernel knows of on a file; nobody where it does not tell."""
    try:
        end = f":{os.stat(path).st_ino}"
        with open("/proc/locks", encoding="ascii") as file:
            locks = [line.split() for line in file]
    except OSError:
        return []
    return sorted({words[-4] for words in locks if words[-3].endswith(end)} - {str(os.getpid())})
