"""What `mailctl schedule` is made of: what is wanted, by whom it is run, and what there is to say on it."""

import os
from collections.abc import Sequence
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mailctl.cli.context import Context
from mailctl.cli.schedule_secrets import beyond_a_service, places
from mailctl.domain.gateway import SourceKind
from mailctl.domain.home import home_folder
from mailctl.domain.record import dataclass
from mailctl.domain.when import show_age
from mailctl.errors import ConfigError, MailctlError, UsageError
from mailctl.output.view import Cell, Styled

if TYPE_CHECKING:
    from mailctl.domain.gateway import Gateway
    from mailctl.schedule.cron import Cron
    from mailctl.schedule.systemd import UserUnits
    from mailctl.schedule.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A unit, or the block in the crontab. by: systemd or cron. runs: the command line. result: of the last run."""

    by: str
    unit: str
    runs: str
    enabled: bool
    active: bool
    state: str
    next: datetime | None
    last: datetime | None
    result: str

    def cells(self, now: datetime) -> list[Cell]:
        """A row of the table."""
        due = f"in {show_age((self.next - now).total_seconds())}" if self.next else ""
        last = f"{show_age((now - self.last).total_seconds())} ago" if self.last else ""
        result = Styled(self.result, "good" if self.result in ("success", "") else "bad")
        return [
            *(self.by, self.unit, self.runs, self.enabled, self.state),
            Styled(due, plain=self.next.isoformat(timespec="seconds") if self.next else ""),
            Styled(last, plain=self.last.isoformat(timespec="seconds") if self.last else ""),
            result,
        ]


@dataclass(frozen=True, slots=True)
class Plan:
    """What an install would do. replaces: whether another schedule goes."""

    by: str
    kind: str
    wanted: "Wanted"
    files: dict[str, str]
    removals: list[str]
    changes: bool
    replaces: bool
    drop_crontab: bool = False
    drop_units: bool = False
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def question(self) -> str:
        """What is asked before a schedule is replaced."""
        return "Another schedule is installed. Replace it?"

    @property
    def said(self) -> str:
        """What was done."""
        what = "is watched" if self.kind == "watch" else f"is synced every {show_age(self.wanted.every or 0)}"
        return f"{', '.join(self.wanted.gateways) or 'Every gateway'} {what} from now on, by {self.by}"

    @property
    def shown_removals(self) -> list[str]:
        """What goes, a line each."""
        return [f"# removed: {path}" for path in self.removals]


class Scheduling:
    """The schedule of this configuration folder."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._realm = context.paths.realm(context.env)

    # -- install

    def plan(self, names: tuple[str, ...], every: int | None, command: str, *, cron: bool) -> Plan:
        """What is to be done. ConfigError if neither systemd nor cron is here."""
        gateways, broken = self._context.load_gateways(names)
        if not gateways and not broken:
            raise ConfigError("There is no gateway to sync", hint="`mailctl gateway add` makes one.", code="not_found")
        chosen = [gateway for gateway in gateways if gateway.enabled] if not names else gateways
        wanted = self._wanted(names, every, command, chosen)
        by, notes = self._by(cron=cron, watch=every is None)
        notes += self._lingering(by)
        key = self._context.config.settings.secrets_key
        warnings = beyond_a_service(places(self._context, chosen), key, watch=every is None)
        kind = "sync" if every is not None else "watch"
        files, crontab = self.installed()
        if by == "cron":
            text = self._cron().changes(wanted)
            shown = {"crontab": text.decode("utf-8", "replace")} if text is not None else {}
            replaces = bool(files) or (text is not None and crontab)
            changes = text is not None or bool(files)
            return Plan(by, kind, wanted, shown, files, changes, replaces, False, bool(files), notes, warnings)
        writes, removals = self._units().changes(wanted)
        shown = {str(path): text for path, text in writes.items()}
        gone = [*(str(path) for path in removals), *(["crontab"] if crontab else [])]
        replaces = bool(gone) or any(path in files for path in shown)
        return Plan(by, kind, wanted, shown, gone, bool(shown or gone), replaces, crontab, False, notes, warnings)

    def carry_out(self, plan: Plan) -> None:
        """Do it."""
        if plan.by == "cron":
            if plan.drop_units:
                self._units().remove()
            self._cron().install(plan.wanted)
            return
        self._units().install(plan.wanted)
        if plan.drop_crontab:
            self._cron().remove()

    def _wanted(
        self, names: tuple[str, ...], every: int | None, command: str, gateways: "Sequence[Gateway]"
    ) -> "Wanted":
        from mailctl.schedule.wanted import Wanted, kept_environment

        context = self._context
        commands = bool(command) or SourceKind.COMMAND in places(context, gateways)
        env = kept_environment(context.env, *self._folders(), commands=commands)
        return Wanted(_program(context), names, every, command, env, commands, self._realm)

    def _folders(self) -> tuple[str, str]:
        """--config-dir and --state-dir, where they are not the usual folders."""
        from mailctl.cli.paths import find_paths

        usual, here = find_paths(self._context.env, "", ""), self._context.paths
        config = "" if here.config == usual.config else os.path.abspath(here.config)
        state = "" if here.state == usual.state else os.path.abspath(here.state)
        return config, state

    def _by(self, *, cron: bool, watch: bool) -> tuple[str, list[str]]:
        """systemd or cron, and what is to be said on that."""
        import sys

        no_systemd = "cron was asked for" if cron else self._units().unavailable()
        if not no_systemd:
            return "systemd", []
        if watch:
            raise ConfigError(
                f"--watch needs systemd: {no_systemd}",
                hint="`mailctl schedule install --every 15m` works with cron.",
                code="no_scheduler",
            )
        no_cron = self._cron().unavailable()
        if no_cron:
            mac = " mailctl knows nothing of launchd yet." if sys.platform == "darwin" else ""
            raise ConfigError(
                f"There is neither systemd nor cron to run it. {no_systemd}. {no_cron}",
                hint=f"Let something else run `mailctl sync --all --no-input`.{mac}",
                code="no_scheduler",
            )
        return "cron", [] if cron else [f"No systemd for users here ({no_systemd}), so cron does it."]

    def _lingering(self, by: str) -> list[str]:
        """A note if the user's systemd ends with the user's session."""
        import pwd

        if by != "systemd":
            return []
        name = pwd.getpwuid(os.getuid()).pw_name
        if os.path.exists(f"/var/lib/systemd/linger/{name}"):
            return []
        return ["It runs while you are signed in. `loginctl enable-linger` lets it run also when you are not."]

    # -- show and remove

    def installed(self) -> tuple[list[str], bool]:
        """Our units' files that are there, and whether there is a block in the crontab."""
        return [str(path) for path in self._units().present()], bool(self._line())

    def remove(self, *, crontab: bool) -> None:
        """Take all of it away."""
        self._units().remove()
        if crontab:
            self._cron().remove()

    def show(self) -> tuple[list[Scheduled], list[str]]:
        """What is installed, and warnings on what can't be known."""
        units, rows, warnings = self._units(), [], []
        present = units.present()
        for path in present:
            if path.suffix == ".service" and path.with_suffix(".timer") in present:
                continue  # its timer tells of both
            runs = _exec_line(path.with_suffix(".service"))
            try:
                state = units.state(path.name)
                service = units.state(path.with_suffix(".service").name) if path.suffix == ".timer" else state
            except MailctlError as error:
                warnings.append(f"{path.name}: {error.message}")
                rows.append(Scheduled("systemd", path.name, runs, False, False, "unknown", None, None, ""))
                continue
            last = state.last or service.last
            rows.append(
                Scheduled(
                    *("systemd", path.name, runs, state.enabled, state.active, state.state),
                    *(_moment(state.next), _moment(last), service.result if last else ""),
                )
            )
        if line := self._line():
            rows.append(Scheduled("cron", "crontab", line, True, True, "", None, None, ""))
        return rows, warnings

    def _line(self) -> str:
        try:
            return self._cron().line()
        except ConfigError as error:
            if error.code == "crontab_damaged":
                raise
            return ""  # no cron here

    # -- adapters

    def _units(self) -> "UserUnits":
        from mailctl.schedule.program import Programs
        from mailctl.schedule.systemd import UserUnits

        base = self._context.env.get("XDG_CONFIG_HOME", "")
        folder = Path(base) if base.startswith("/") else home_folder(self._context.env) / ".config"
        return UserUnits(Programs(self._context.child_env()), folder / "systemd" / "user", self._realm)

    def _cron(self) -> "Cron":
        from mailctl.schedule.cron import Cron
        from mailctl.schedule.program import Programs

        return Cron(Programs(self._context.child_env()), self._realm)


def _program(context: Context) -> tuple[str, ...]:
    """How this mailctl was started, by an absolute path that outlives the current folder."""
    import shutil
    import sys

    called = sys.argv[0] if sys.argv else ""
    if os.path.basename(called) == "mailctl":
        found = called if os.sep in called else shutil.which(called, path=context.env.get("PATH"))
        if found:
            return (os.path.abspath(found),)
    if not sys.executable:
        raise UsageError("Nothing tells how mailctl was started", code="no_program")
    return sys.executable, "-m", "mailctl"


def _exec_line(service: Path) -> str:
    try:
        lines = service.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.removeprefix("ExecStart=:") for line in lines if line.startswith("ExecStart=:")), "")


def _moment(epoch: float | None) -> datetime | None:
    return datetime.fromtimestamp(epoch, UTC) if epoch is not None else None
