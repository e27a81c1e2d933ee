"""Heartbeats: written whole, read by status, and what is left of the dead."""

import datetime as dt
import json
from pathlib import Path

import pytest

from mailctl.domain.heartbeat import Heartbeat, Watched, WatchState
from mailctl.errors import StorageError
from mailctl.journal.heartbeat import HeartbeatFile, read_heartbeats, remove_dead, watched

NOW = dt.datetime(2026, 11, 22, 5, tzinfo=dt.UTC)
IDLE = Watched(WatchState.IDLE, NOW - dt.timedelta(minutes=9), NOW + dt.timedelta(minutes=6))
STOPPED = Watched(WatchState.STOPPED, NOW, None, "the server refused the sign-in")


def beat(pid: int = 7, age: float = 1.0, **gateways: Watched) -> Heartbeat:
    return Heartbeat(pid, "host", NOW - dt.timedelta(hours=1), NOW - dt.timedelta(seconds=age), gateways)


def alive(host: str, pid: int) -> bool:
    return pid < 100


def test_what_is_written_is_read(tmp_path: Path) -> None:
    told = beat(work=IDLE, home=STOPPED)
    file = HeartbeatFile(tmp_path, "host", 7)
    file.write(beat())
    file.write(told)
    assert read_heartbeats(tmp_path) == [told]
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600]
    file.remove()
    file.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_host_name_is_no_path(tmp_path: Path) -> None:
    HeartbeatFile(tmp_path, "../../x", 7).write(beat())
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_is_not_there_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        HeartbeatFile(tmp_path / "none", "host", 7).write(beat())
    assert read_heartbeats(tmp_path / "none") == []


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"pid": []}', "\xff", "[" * 10_000])
def test_what_is_no_heartbeat_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text, encoding="latin-1")
    assert read_heartbeats(tmp_path) == []


def test_moments_without_a_zone_are_not_believed(tmp_path: Path) -> None:
    HeartbeatFile(tmp_path, "host", 7).write(beat(work=IDLE))
    (path,) = tmp_path.iterdir()
    plain = json.loads(path.read_text())
    plain["gateways"]["work"]["since"] = "2026-11-22T05:00:00"
    path.write_text(json.dumps(plain))
    assert read_heartbeats(tmp_path) == []


def test_a_watch_at_work_tells_of_its_gateways() -> None:
    assert watched([beat(work=IDLE)], NOW, alive) == {"work": IDLE}


@pytest.mark.parametrize(("one", "said"), [(beat(500, 5, work=IDLE), "ended"), (beat(7, 121, work=IDLE), "nothing")])
def test_a_watch_that_died_or_hangs_is_dead(one: Heartbeat, said: str) -> None:
    found = watched([one], NOW, alive)["work"]
    assert found.state is WatchState.DEAD
    assert found.since == one.time
    assert said in found.error


def test_a_later_watch_outdoes_a_dead_one() -> None:
    both = [beat(500, 5, work=IDLE, home=IDLE), beat(8, 50, work=STOPPED)]
    found = watched(both, NOW, alive)
    assert found["work"] is STOPPED
    assert found["home"].state is WatchState.DEAD


def test_what_the_dead_left_is_removed(tmp_path: Path) -> None:
    for pid in (7, 500):
        HeartbeatFile(tmp_path, "host", pid).write(beat(pid, work=IDLE))
    remove_dead(tmp_path, NOW, alive)
    assert [one.pid for one in read_heartbeats(tmp_path)] == [7]
