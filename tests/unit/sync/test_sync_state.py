"""The sync state: what it keeps, how an older one is taken over, when it is read through, who was at work."""

import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest

from mailctl.errors import StorageError
from mailctl.sync import database
from mailctl.sync.state import Agreed, FolderState, State

SEEN = Agreed(frozenset({"\\Seen", "Work"}), 30, 1_700_000_000)
VERSION_1 = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE folder(id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, uidvalidity INTEGER NOT NULL, uidnext INTEGER,
    highestmodseq INTEGER, messages INTEGER NOT NULL, settled TEXT NOT NULL);
CREATE TABLE message(folder INTEGER NOT NULL, uid INTEGER NOT NULL, flags TEXT NOT NULL, size INTEGER,
    internaldate INTEGER, PRIMARY KEY(folder, uid)) WITHOUT ROWID;
CREATE TABLE unique_id(folder INTEGER NOT NULL, uidl TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY(folder, uidl)) WITHOUT ROWID;
INSERT INTO meta VALUES('account', 'me@mail.test');
INSERT INTO folder VALUES(3, 'INBOX', 7, 10, 20, 2, 'policy');
INSERT INTO message VALUES(3, 4, '\\Seen Work', 30, 1700000000);
INSERT INTO unique_id VALUES(3, 'a1', 99);
PRAGMA application_id = 0x6D6C6374;
PRAGMA user_version = 1;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "box.db"


def old(path: Path, text: str = VERSION_1) -> None:
    path.parent.mkdir()
    db = sqlite3.connect(path)
    db.executescript(text.replace("'INBOX'", "CAST('INBOX' AS BLOB)"))
    db.close()


def test_what_is_kept(path: Path) -> None:
    seen = FolderState(7, 10, 20, 2, "policy", "a/b\udc80", 5, 6, 7, "F1", "[]")
    with State(path) as state:
        state.save_folder("Été\ud800", seen)
        state.save_messages("Été\ud800", dict.fromkeys(range(1, 1301), SEEN), {4: "cur/x:2,S", 5: "new/\x80"})
        assert state.any_missing(), "a name that isn't ASCII is not kept"
    with State(path) as state:
        assert state.folders() == {"Été\ud800": seen}
        assert state.agreed("Été\ud800", [4, 9999]) == {4: SEEN}
        assert len(state.agreed("Été\ud800", range(1, 1201))) == 1200
        assert state.files("Été\ud800", [4, 5]) == {4: "cur/x:2,S", 5: None}
        assert state.within("Été\ud800", [(3, 5), (1299, 4_294_967_295)]) == [3, 4, 5, 1299, 1300]
        assert state.letters("Été\ud800") == "S"
        assert (state.known("Été\ud800"), state.known("Été\ud800", below=5)) == (1300, 4)
        state.save_messages("Été\ud800", {4: Agreed(frozenset())})
        assert state.files("Été\ud800", [4]) == {4: "cur/x:2,S"}, "flags say nothing of the file"
        state.forget_folder("Été\ud800")
        assert (state.folders(), state.count(), state.known("Été\ud800")) == ({}, 0, 0)
        assert not state.any_missing()


def test_G11_a_state_of_version_1_is_taken_over(path: Path) -> None:
    old(path)
    with State(path, read_only=True) as state:
        assert (state.rebuilt, state.folders()) == (True, {}), "only looked at, it counts as none"
    with State(path) as state:
        assert not state.rebuilt
        assert state.meta("account") == "me@mail.test"
        assert state.folders() == {"INBOX": FolderState(7, 10, 20, 2, "policy")}
        assert state.agreed("INBOX") == {4: SEEN}
        assert state.files("INBOX") == {4: None}
        assert state.unique_ids("INBOX") == {"a1": 99}
        assert not state.complete
    with State(path) as state:
        assert not state.rebuilt
    assert not path.with_name("box.db.bad").exists()


def test_G11_a_state_of_version_1_that_is_damaged_is_set_aside(path: Path) -> None:
    old(path, VERSION_1.replace("'\\Seen Work', 30", "5, 'x'"))
    with State(path) as state:
        assert (state.rebuilt, state.folders()) == (True, {})


def test_it_is_read_through_only_after_somebody_wrote_to_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    real = database._read_through

    def read_through(db: sqlite3.Connection, version: int) -> None:
        reads.append(version)
        real(db, version)

    monkeypatch.setattr(database, "_read_through", read_through)
    for _ in range(3):
        State(path).close()
    assert reads == []
    data = path.read_bytes()
    path.write_bytes(data)
    for _ in range(3):
        State(path).close()
    assert reads == [2]
    State(path, read_only=True).close()
    path.with_name("box.db.seal").write_bytes(b"\xff")
    State(path, read_only=True).close()
    assert reads == [2, 2]
    with State(path) as state:
        state.set_meta("a", "b")
        killed = path.read_bytes(), path.with_name("box.db-wal").read_bytes()
    path.with_name("box.db-wal").write_bytes(killed[1])
    State(path).close()
    assert reads == [2, 2, 2, 2], "a journal is left by a run that was killed"


def test_damage_that_is_met_while_reading_has_the_next_run_read_it_through(path: Path) -> None:
    with State(path) as state:
        state.save_folder("INBOX", FolderState(1))
        state.save_messages("INBOX", dict.fromkeys(range(1, 3000), SEEN))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    database.seal(path)
    with State(path) as state, pytest.raises(StorageError):
        state.agreed("INBOX")
    with State(path) as state:
        assert state.rebuilt


def test_a_folder_is_at_work_until_it_is_saved(path: Path) -> None:
    with State(path) as state:
        state.save_folder("A", FolderState(1, cur=5, new=6))
        state.save_folder("B", FolderState(1, cur=5, new=6))
        state.begin(["A", "New"])
    with State(path) as state:
        known = state.folders()
        assert {name: seen.at_work for name, seen in known.items()} == {"A": True, "B": False, "New": True}
        state.begin(["A", "B"])
        state.save_folder("New", FolderState(2))
        state.end()
        assert state.folders()["A"].at_work, "nobody has looked after the run that died in it"
        assert state.folders() == {"A": known["A"], "B": FolderState(1), "New": FolderState(2)}


def test_a_state_is_complete_only_as_it_was_left(path: Path) -> None:
    with State(path) as state:
        state.set_meta("complete", "1")
    with State(path) as state:
        assert state.complete
    data = path.read_bytes()
    path.write_bytes(data)
    with State(path) as state:
        assert not state.complete
    with State(path) as state:
        assert state.complete
        state.forget_all()
    with State(path) as state:
        assert not state.complete


def test_together_is_all_or_nothing(path: Path) -> None:
    with State(path) as state:
        with state.together():
            state.save_folder("A", FolderState(1))
            state.save_messages("A", {1: SEEN})
        with suppress(ZeroDivisionError), state.together():
            state.save_folder("B", FolderState(1))
            state.save_messages("A", {2: SEEN})
            raise ZeroDivisionError
        assert (set(state.folders()), set(state.agreed("A"))) == ({"A"}, {1})
