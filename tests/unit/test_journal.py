"""The mailer log: kept, found, exchanged, pruned; the status read off it."""

import json
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.domain.event import Event, Level
from mailctl.domain.gateway import INBOUND_DEFAULTS, Gateway, Login
from mailctl.domain.secret import Secret
from mailctl.errors import ConfigError, StorageError
from mailctl.journal.exchange import from_lines, to_line
from mailctl.journal.recorder import JournalRecorder
from mailctl.journal.status import gateway_status
from mailctl.journal.store import Journal, Query

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def event(minutes: int = 0, name: str = "sync.finished", **more: object) -> Event:
    values: dict[str, object] = {"run": "r1", "message": "done", "gateway": "work", **more}
    return Event(time=NOW + timedelta(minutes=minutes), event=name, **values)  # type: ignore[arg-type]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "state" / "journal.db")


def test_what_is_written_is_read_in_order_and_once(journal: Journal) -> None:
    events = [(2, event(2)), (1, event(1)), (3, event(3))]
    assert journal.write(events) == 3
    assert journal.write(events) == 0
    assert [number for number, _ in journal.read()] == [1, 2, 3]
    assert list(journal.read()) == sorted(events, key=lambda pair: pair[0])


def test_a_log_that_was_never_written_reads_as_empty_and_is_not_made(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "none.db")
    assert list(journal.read()) == []
    assert journal.latest(("sync.finished",)) == []
    assert not list(tmp_path.iterdir())


def test_queries(journal: Journal) -> None:
    journal.write(
        [
            (1, event(1, level=Level.DEBUG)),
            (2, event(2, level=Level.ERROR)),
            (3, event(3, gateway="home")),
            (4, event(4, run="r2")),
        ]
    )

    def numbers(query: Query) -> list[int]:
        return [number for number, _ in journal.read(query)]

    assert numbers(Query(level=Level.WARNING)) == [2]
    assert numbers(Query(gateway="home")) == [3]
    assert numbers(Query(run="r2")) == [4]
    assert numbers(Query(since=NOW + timedelta(minutes=3))) == [3, 4]
    assert numbers(Query(until=NOW + timedelta(minutes=2))) == [1, 2]
    assert numbers(Query(limit=2)) == [3, 4]


def test_the_file_is_private(journal: Journal) -> None:
    journal.write([(1, event())])
    assert journal._path.stat().st_mode & 0o777 == 0o600
    assert journal._path.parent.stat().st_mode & 0o777 == 0o700


def test_pruned_by_age(journal: Journal) -> None:
    journal.write([(1, event(-60)), (2, event(0))])
    assert journal.prune(NOW) == 1
    assert [number for number, _ in journal.read()] == [2]


def test_a_damaged_file_is_an_error_with_a_way_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"not a database at all, and longer than a header" * 20)
    with pytest.raises(StorageError, match=r"journal\.db") as caught:
        Journal(path).write([(1, event())])
    assert caught.value.hint
    assert path.read_bytes().startswith(b"not a database")


def test_a_newer_format_is_not_touched(journal: Journal) -> None:
    journal.write([(1, event())])
    journal.close()
    import sqlite3

    with sqlite3.connect(journal._path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StorageError, match="newer"):
        list(journal.read())


def test_a_symbolic_link_in_place_of_the_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("precious")
    (tmp_path / "journal.db").symlink_to(tmp_path / "other")
    with pytest.raises(StorageError):
        Journal(tmp_path / "journal.db").write([(1, event())])
    assert (tmp_path / "other").read_text() == "precious"


def test_many_threads_write_through_one_recorder(journal: Journal) -> None:
    recorder = JournalRecorder(lambda: journal, "r1", lambda: NOW, 90, pytest.fail)

    def work() -> None:
        for _ in range(20):
            recorder.record("x.y", "m", gateway="g")

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [number for number, _ in journal.read()] == list(range(1, 101))


def test_a_recorder_masks_bounds_and_survives_a_full_disk(tmp_path: Path) -> None:
    secret = Secret("hunter2-canary")
    journal = Journal(tmp_path / "journal.db")
    recorder = JournalRecorder(lambda: journal, "r1", lambda: NOW, None, pytest.fail)
    recorder.record("a.b", f"quoted {secret.reveal()} " + "x" * 9000, text=secret.reveal(), odd="\ud800")
    [(_, kept)] = journal.read()
    assert "hunter2" not in kept.message + str(kept.fields)
    assert len(kept.message) == 2000
    complaints: list[str] = []
    blocked = JournalRecorder(lambda: Journal(tmp_path / "journal.db" / "x"), "r", lambda: NOW, None, complaints.append)
    blocked.record("a.b", "one")
    blocked.record("a.b", "two")
    assert len(complaints) == 1


@pytest.mark.parametrize("released", [True, False])
def test_a_recorder_holds_one_event_until_it_is_released_or_there_is_another(tmp_path: Path, released: bool) -> None:
    path, moments = tmp_path / "journal.db", iter(NOW + timedelta(seconds=second) for second in range(9))
    recorder = JournalRecorder(lambda: Journal(path), "r1", lambda: next(moments), 90, pytest.fail)
    recorder.hold()
    recorder.record("a.b", "one")
    assert not path.exists()
    if released:
        recorder.release()
        recorder.release()
        assert len(list(Journal(path).read())) == 1
    recorder.record("a.b", "two")
    assert len(list(Journal(path).read())) == 2
    recorder.record("a.b", "three")
    kept = [(number, event.message, event.time) for number, event in Journal(path).read()]
    assert [each[:2] for each in kept] == [(1, "one"), (2, "two"), (3, "three")]
    assert kept[0][2] == NOW, "as it was told, not as it was written"


TEXT = st.text(max_size=30)


@given(
    run=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=30),
    message=TEXT,
    gateway=TEXT,
    level=st.sampled_from(Level),
    fields=st.dictionaries(TEXT, st.one_of(TEXT, st.integers(), st.booleans(), st.none())),
    number=st.integers(0, 2**40),
)
def test_a_line_brings_back_the_event(
    run: str, message: str, gateway: str, level: Level, fields: dict[str, object], number: int
) -> None:
    before = event(run=run, message=message, gateway=gateway, level=level, fields=fields)
    line = to_line(number, before)
    assert "\n" not in line
    assert list(from_lines([line, " \n"], "file")) == [(number, before)]


@pytest.mark.parametrize("line", ["{", "[]", "3", '{"run": 1}', json.dumps({"time": "2026-01-01"}), "[" * 5000])
def test_a_line_that_is_no_event_is_named(line: str) -> None:
    with pytest.raises(ConfigError, match="file, line 2"):
        list(from_lines([to_line(1, event()), line], "file"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("run", "\ud800"),
        ("event", "a\nb"),
        ("protocol", "\x1b[31m"),
        ("number", 2**63),
        ("number", -1),
        ("number", True),
        ("level", ["info"]),
        ("time", "0001-01-01T00:00:00+10:00"),
        ("time", "9999-12-31T23:59:00-10:00"),
        ("fields", {"a": float("nan")}),
    ],
)
def test_an_event_that_no_log_could_keep_is_refused(journal: Journal, key: str, value: object) -> None:
    values = {**json.loads(to_line(1, event())), key: value}
    with pytest.raises(ConfigError, match="file, line 1"):
        journal.write(from_lines([json.dumps(values)], "file"))
    assert list(journal.read()) == []


GATEWAY = Gateway("work", "gmail", "a@b.example", Login("a@b.example"))


def test_status_of_a_gateway_that_was_never_used() -> None:
    row = gateway_status(GATEWAY, INBOUND_DEFAULTS, [], None, 0, NOW)
    assert (row.ok, row.checks, row.last_sync, row.messages, row.next_due) == (True, (), None, None, NOW)


def test_status_after_a_failed_check_and_a_good_sync() -> None:
    failed = event(-5, "check.failed", protocol="smtp", fields={"cause": "tls_expired"})
    synced = event(-3, "sync.finished", fields={"fetched": 7, "messages": 90})
    row = gateway_status(GATEWAY, INBOUND_DEFAULTS, [failed, synced], synced, 1, NOW)
    assert not row.ok
    assert [(check.protocol, check.cause) for check in row.checks] == [("smtp", "tls_expired")]
    assert row.last_sync is not None
    assert (row.last_sync.fetched, row.messages, row.errors) == (7, 90, 1)
    assert row.next_due == NOW - timedelta(minutes=3) + timedelta(seconds=900)


def test_status_after_an_interruption_tells_of_it_and_of_no_failure() -> None:
    ended = event(-2, "sync.interrupted", fields={"fetched": 2, "code": "interrupted"})
    row = gateway_status(GATEWAY, INBOUND_DEFAULTS, [event(-9), ended], event(-9), 0, NOW)
    assert row.ok
    assert row.last_sync is not None
    assert (row.last_sync.ok, row.last_sync.cause, row.last_sync.time) == (False, "interrupted", ended.time)


def test_a_full_disk_is_not_called_damage(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: object, **options: object) -> sqlite3.Connection:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite3, "connect", full)
    with pytest.raises(StorageError) as caught:
        journal.write([(1, event())])
    assert caught.value.hint == "Free some space."


class _NoIndex(sqlite3.Connection):
    """On a full disk, what makes the shared index fails."""

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        if "journal_mode" in sql:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"
            raise error
        return super().execute(sql, *values)  # type: ignore[arg-type]  # as it is called


def test_a_full_disk_lets_the_log_be_read(journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.write([(1, event())])
    journal.close()
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **more: connect(*args, factory=_NoIndex, **more))
    assert [found for _, found in journal.read()] == [event()]
    assert [found.event for found in journal.latest(("sync.finished",))] == ["sync.finished"]
    with pytest.raises(StorageError, match="the disk is full") as caught:
        journal.write([(2, event())])
    assert caught.value.hint == "Free some space."
    (tmp_path / "state/journal.db-wal").write_bytes(b"events of a process that runs")
    with pytest.raises(StorageError):
        list(journal.read())


def test_a_log_that_a_full_disk_kept_from_beginning_is_none(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/journal.db").touch()
    assert list(journal.read()) == []
    assert journal.latest(("sync.finished",)) == []
    assert journal.count_errors({}) == {}
    assert (tmp_path / "state/journal.db").stat().st_size == 0
