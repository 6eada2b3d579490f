"""A server of notes nobody wrote a pack for: SQLite, ids it chooses itself, a cascade, a status in words.

`notes_server.py FILE.db [log] [unversioned]`: with `log` every change is noted in a table as well.
"""

import sqlite3
import sys
from typing import Any

from mcp.server import MCPServer

database = sqlite3.connect(sys.argv[1], isolation_level=None, check_same_thread=False)
database.executescript(
    """
    PRAGMA busy_timeout = 5000;
    CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY, body TEXT, tags TEXT);
    CREATE TABLE IF NOT EXISTS log (what TEXT);
    """
)
server = MCPServer("notes", version="" if "unversioned" in sys.argv else "1.4")


def changed(what: str) -> None:
    if "log" in sys.argv:
        database.execute("INSERT INTO log VALUES (?)", [what])


@server.tool()
def get_note(note_id: str) -> dict[str, Any]:
    """One note."""
    row = database.execute("SELECT body, tags FROM notes WHERE id = ?", [note_id]).fetchone()
    if row is None:
        raise ValueError("no such note")
    return {"body": row[0], "tags": row[1]}


@server.tool()
def list_notes() -> list[dict[str, Any]]:
    """All notes."""
    return [{"note_id": i, "body": b} for i, b in database.execute("SELECT id, body FROM notes")]


@server.tool()
def new_note(body: str) -> dict[str, str]:
    """Write a note. It gets a number of its own."""
    (count,) = database.execute("SELECT count(*) FROM notes").fetchone()
    database.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, '')", [f"n{count}", body])
    changed("new")
    return {"note_id": f"n{count}"}


@server.tool()
def tag_note(note_id: str, tag: str) -> str:
    """Tag a note as urgent or done."""
    if tag not in ("urgent", "done"):
        return "Error: a tag is urgent or done"
    hit = database.execute("UPDATE notes SET tags = ? WHERE id = ?", [tag, note_id]).rowcount
    changed("tag")
    return "tagged" if hit else "Error: no such note"


@server.tool()
def drop_note(note_id: str) -> str:
    """Throw a note away."""
    database.execute("DELETE FROM notes WHERE id = ?", [note_id])
    return "gone"


server.run()
