"""Units in the user's systemd: put there, taken away, looked at."""

import os
from contextlib import suppress
from pathlib import Path

from mailctl.domain.record import dataclass
from mailctl.errors import ConfigError, ExistsError, StorageError
from mailctl.schedule.program import Programs
from mailctl.schedule.units import MARK, names, units
from mailctl.schedule.wanted import Wanted

_PROPERTIES = "ActiveState,SubState,UnitFileState,Result,ExecMainStatus,ExecMainExitTimestamp,StatusText"


@dataclass(frozen=True, slots=True)
class UnitState:
    """What systemd says. next, last: epoch seconds of the next and the last run, None if unknown."""

    unit: str
    enabled: bool
    active: bool
    state: str
    result: str
    next: float | None = None
    last: float | None = None


class UserUnits:
    """The units in `folder` (`$XDG_CONFIG_HOME/systemd/user`), of one configuration folder (`realm`)."""

    def __init__(self, programs: Programs, folder: Path, realm: str) -> None:
        self._programs, self.folder, self._realm = programs, folder, realm

    def unavailable(self) -> str:
        """Why there is no systemd for users here, or ""."""
        try:
            status, _, said = self._programs.run("systemctl", "--user", "show", "--property=Version")
        except ConfigError as error:
            return error.message
        return "" if status == 0 else said or f"`systemctl --user` ends with status {status}"

    def present(self) -> list[Path]:
        """The files that are there and ours."""
        return [path for path in (self.folder / name for name in names(self._realm)) if self._text(path)]

    def changes(self, wanted: Wanted) -> tuple[dict[Path, str], list[Path]]:
        """Files to write, with their texts, and files to remove. ExistsError for one that isn't ours."""
        texts = {self.folder / name: text for name, text in units(wanted).items()}
        writes = {}
        for path, text in texts.items():
            there = self._text(path)
            if there is None and os.path.lexists(path):
                raise ExistsError(f"{path} was not made by mailctl", hint="Move it away first.")
            if there != text:
                writes[path] = text
        return writes, [path for path in self.present() if path not in texts]

    def install(self, wanted: Wanted) -> bool:
        """Put the units there, enable and start them; whether anything changed."""
        writes, removals = self.changes(wanted)
        enabled = list(units(wanted))[-1]
        self._take_away(removals)
        for path, text in writes.items():
            _write(path, text)
        if writes or removals:
            self._systemctl("daemon-reload")
        before = self.state(enabled)
        if not before.enabled:
            self._systemctl("enable", enabled)
        if writes or not before.active:
            self._systemctl("restart", enabled)
        return bool(writes or removals or not (before.enabled and before.active))

    def remove(self) -> list[Path]:
        """Stop the units and take them away; the files that went. A systemd that isn't there can't mind."""
        found = self.present()
        self._take_away(found)
        if found and not self.unavailable():
            self._systemctl("daemon-reload")
            for path in found:  # one that failed would be listed for ever; for one that didn't, this is refused
                self._programs.run("systemctl", "--user", "reset-failed", path.name)
        return found

    def state(self, unit: str) -> UnitState:
        """What systemd says of a unit."""
        out = self._systemctl("show", f"--property={_PROPERTIES}", "--timestamp=unix", unit).decode("utf-8", "replace")
        told = dict(line.partition("=")[::2] for line in out.splitlines())
        due, last = self._timer(unit) if unit.endswith(".timer") else (None, None)
        text = told.get("StatusText", "")
        state = f"{told.get('ActiveState', '')} ({told.get('SubState', '')})" + (f": {text}" if text else "")
        return UnitState(
            unit,
            enabled=told.get("UnitFileState") == "enabled",
            active=told.get("ActiveState") in ("active", "activating", "reloading"),
            state=state,
            result=told.get("Result", ""),
            next=due,
            last=last if last is not None else _epoch(told.get("ExecMainExitTimestamp", "")),
        )

    def _timer(self, unit: str) -> tuple[float | None, float | None]:
        import json

        status, out, _ = self._programs.run("systemctl", "--user", "list-timers", "--all", "--output=json", unit)
        try:
            rows = json.loads(out) if status == 0 else []
            row: dict[str, object] = next((row for row in rows if row.get("unit") == unit), {})
            return _micro(row.get("next")), _micro(row.get("last"))
        except (ValueError, AttributeError, TypeError):  # an older systemd prints a table
            return None, None

    def _take_away(self, paths: list[Path]) -> None:
        if not paths:
            return
        reachable = not self.unavailable()
        for path in sorted(
            paths, key=lambda path: path.suffix != ".timer"
        ):  # the timer first, or it starts its service
            if reachable:
                self._systemctl("disable", "--now", path.name)
            for target in ("timers.target.wants", "default.target.wants"):
                _unlink(self.folder / target / path.name)
            _unlink(path)

    def _systemctl(self, *words: str) -> bytes:
        return self._programs.must("systemctl", "--user", *words)

    def _text(self, path: Path) -> str | None:
        """The text of one of our files; None if it isn't there, or isn't ours."""
        with suppress(OSError, UnicodeDecodeError):
            text = path.read_text(encoding="utf-8", errors="surrogateescape")
            return text if text.startswith(MARK) else None
        return None


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _unlink(part)
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(fd, "w", encoding="utf-8", errors="surrogateescape") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, path)
    except OSError as error:
        raise StorageError(f"{path} can't be written: {error.strerror}", code="os_error") from error


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path} can't be removed: {error.strerror}", code="os_error") from error


def _micro(value: object) -> float | None:
    return value / 1e6 if isinstance(value, int) and 0 < value < 2**63 else None


def _epoch(text: str) -> float | None:
    digits = text.removeprefix("@")
    return float(digits) if digits.isdecimal() and digits != "0" else None
