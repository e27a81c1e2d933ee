"""`mailctl schedule` with a real systemd of the user's and a real crontab."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailctl.schedule.units import names, units
from mailctl.schedule.wanted import Wanted
from tests.cli.support import Cli
from tests.servers.support.certificates import Certificates
from tests.servers.support.dovecot_programs import CACHE
from tests.servers.support.mailbox import Mailbox
from tests.servers.support.process import NotStartedError
from tests.servers.support.requirement import unavailable
from tests.servers.support.systemd import UserManager, find_systemd
from tests.servers.support.workspace import Workspace
from tests.servers.syncing import SyncHome
from tests.servers.watching import until

ODD = ("/opt/mail tools/mailctl", "$HOME", "100%", 'a"b\\c', "d'e")


@pytest.fixture
def home(tmp_path: Path, mailbox: Mailbox, certificates: Certificates) -> SyncHome:
    return SyncHome(tmp_path, mailbox, certificates)


@pytest.fixture
def manager(workspace: Workspace, home: SyncHome) -> Iterator[UserManager]:
    program = find_systemd()
    if isinstance(program, str):
        unavailable("systemd", program)
    try:
        with UserManager(workspace, program, home.cli.home) as running:
            home.cli.env.update(running.env)
            yield running
    except NotStartedError as error:
        unavailable("a private systemd", str(error))


@dataclass(frozen=True)
class Crontab:
    """Somebody's crontab, by the program `crontab`. file: where it keeps it."""

    script: Path
    file: Path

    def read(self) -> bytes:
        return subprocess.run([self.script, "-l"], capture_output=True, check=True, timeout=30).stdout

    def write(self, text: bytes) -> None:
        subprocess.run([self.script, "-"], input=text, check=True, timeout=30)


@pytest.fixture
def crontab(home: SyncHome) -> Crontab:
    """Debian's `crontab` in a /var/spool of its own; systemd isn't there."""
    program = CACHE / "cron/usr/bin/crontab"
    if not program.exists():
        unavailable("cron", "not in .cache/servers")
    bin_folder, spool = home.cli.home / "bin", home.cli.home / "spool"
    bin_folder.mkdir()
    (spool / "cron/crontabs").mkdir(parents=True)
    script = bin_folder / "crontab"
    unshare = "/usr/bin/unshare -m" if os.getuid() == 0 else "/usr/bin/unshare -m -U -r"
    inside = '/bin/mount --make-rprivate / && /bin/mount --bind "$0" /var/spool && exec "$@"'
    script.write_text(f"#!/bin/sh\nexec {unshare} /bin/sh -c '{inside}' {spool} {program} \"$@\"\n")
    script.chmod(0o700)
    home.cli.env["PATH"] = str(bin_folder)
    done = subprocess.run([script, "-"], input=b"# empty\n", capture_output=True, check=False, timeout=30)
    if done.returncode:
        unavailable("a private crontab", done.stderr.decode(errors="replace"))
    (file,) = (spool / "cron/crontabs").iterdir()
    return Crontab(script, file)


@pytest.mark.parametrize("every", [900, None], ids=["timer", "watch"])
@pytest.mark.parametrize("commands", [True, False])
def test_units_are_what_systemd_takes(tmp_path: Path, every: int | None, commands: bool) -> None:
    if shutil.which("systemd-analyze") is None:
        unavailable("systemd-analyze", "not installed")
    program = tmp_path / "mail tools %h/mailctl"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    wanted = Wanted(
        (str(program), *ODD), ("work", "home"), every, environment={"XDG_X": "a %h $b \\ \"c'"}, commands=commands
    )
    for name, text in units(wanted).items():
        (tmp_path / name).write_text(text)
    paths = [str(tmp_path / name) for name in units(wanted)]
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", "--man=no", *paths],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_words_reach_the_program_as_they_are(manager: UserManager, home: SyncHome) -> None:
    """Quotes, blanks, $ and % in paths and in the environment."""
    script = home.cli.home / "odd $HOME %h"
    script.write_text(
        f'#!{sys.executable}\nimport os, sys\nopen({str(home.cli.home / "out")!r}, "w").write('
        'repr((sys.argv[1:], os.environ["XDG_X"])))\n'
    )
    script.chmod(0o700)
    folder = home.cli.home / ".config/systemd/user"
    folder.mkdir(parents=True)
    wanted = Wanted((str(script), *ODD[1:]), ("work",), 900, environment={"XDG_X": ODD[3] + "%h"})
    for name, text in units(wanted).items():
        (folder / name).write_text(text)
    manager.systemctl("daemon-reload")
    manager.systemctl("start", names("")[0])
    expected = ([*ODD[1:], "sync", "work", "--no-input"], ODD[3] + "%h")
    assert (home.cli.home / "out").read_text() == repr(expected)


def test_a_timer_is_installed_runs_and_is_removed(manager: UserManager, home: SyncHome) -> None:
    home.mailbox.deliver("INBOX", b"Subject: 1\r\n\r\nx\r\n")
    cli, folder = home.cli, home.cli.home / ".config/systemd/user"
    assert cli.json("schedule", "install", "--dry-run")["result"]["changed"] is False
    assert not folder.exists()
    done = cli.json("schedule", "install")["result"]
    assert (done["by"], done["kind"], done["changed"]) == ("systemd", "sync", True)
    assert sorted(path.name for path in folder.glob("*.*") if path.is_file()) == sorted(names("")[:2])
    (row,) = cli.json("schedule", "show")["result"]
    assert (row["enabled"], row["active"], row["unit"]) == (True, True, "mailctl-sync.timer")
    assert row["next"] is not None
    manager.systemctl("start", "mailctl-sync.service")
    assert len(home.folder("INBOX")) == 1
    (row,) = cli.json("schedule")["result"]
    assert row["result"] == "success"
    assert row["last"] is not None
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.rglob("*")}
    assert cli.json("schedule", "install")["result"]["changed"] is False
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.rglob("*")} == before
    assert cli.run("schedule", "install", "--every", "5m").code == 2, "it asks before it replaces"
    assert cli.json("schedule", "install", "--every", "5m", "--yes")["result"]["changed"]
    assert "OnUnitInactiveSec=300s" in manager.systemctl("cat", "mailctl-sync.timer")
    home.password.write_text("wrong")
    subprocess.run(["systemctl", "--user", "start", "mailctl-sync.service"], env=manager.env, check=False, timeout=60)
    assert cli.json("schedule")["result"][0]["result"] == "exit-code"
    (folder / "other.service").write_text("[Service]\nExecStart=/bin/true\n")
    assert cli.json("schedule", "remove", "--dry-run")["result"]["files"]
    assert len(cli.json("schedule", "remove", "--yes")["result"]["files"]) == 2
    assert [path.name for path in folder.rglob("*") if not path.is_dir()] == ["other.service"]
    assert "mailctl" not in manager.systemctl("list-units", "--all", "--plain")
    assert cli.json("schedule", "remove")["result"] == {"files": [], "crontab": False, "dry_run": False}


def test_a_watch_is_a_service(manager: UserManager, home: SyncHome) -> None:
    cli = home.cli
    cli.ok("schedule", "install", "--yes")
    done = cli.json("schedule", "install", "--watch", "box", "--yes")["result"]
    assert (done["kind"], len(done["removed"])) == ("watch", 2)
    (row,) = cli.json("schedule")["result"]
    assert (row["unit"], row["active"]) == ("mailctl-watch.service", True)
    until(lambda: cli.json("status")["result"][0]["watch"]["state"] == "notify")
    assert "1 gateway: 1 notify" in cli.json("schedule")["result"][0]["state"]
    home.mailbox.deliver("INBOX", b"Subject: 1\r\n\r\nx\r\n")
    until(lambda: any((home.mail / "INBOX" / "new").glob("*")))  # `folder` is for a Maildir that nobody works in
    pid = manager.systemctl("show", "--property=MainPID", "mailctl-watch.service")
    manager.systemctl("reload", "mailctl-watch.service")
    until(lambda: "watch.reloaded" in [event["event"] for event in cli.json("log")["result"]])
    assert manager.systemctl("show", "--property=MainPID", "mailctl-watch.service") == pid
    cli.ok("schedule", "remove", "--yes")
    assert cli.json("log")["result"][-1]["event"] == "watch.ended"


def test_units_of_others_are_left_alone(manager: UserManager, home: SyncHome) -> None:
    path = home.cli.home / ".config/systemd/user/mailctl-sync.timer"
    path.parent.mkdir(parents=True)
    path.write_text("[Timer]\nOnStartupSec=1\n")
    assert home.cli.json("schedule", "install", code=3)["error"]["code"] == "exists"
    assert home.cli.json("schedule", "remove")["result"]["files"] == []
    assert path.read_text() == "[Timer]\nOnStartupSec=1\n"


def test_another_configuration_has_a_schedule_of_its_own(manager: UserManager, home: SyncHome) -> None:
    other = home.cli.home / "other"
    shutil.copytree(home.cli.config, other)
    home.cli.ok("schedule", "install")
    done = home.cli.json("schedule", "install", "--config-dir", str(other))["result"]
    assert all("mailctl-sync-" in path for path in done["files"])
    assert any(f"MAILCTL_CONFIG_DIR={other}" in text for text in done["files"].values())
    assert len(home.cli.json("schedule")["result"]) == 1
    home.cli.ok("schedule", "remove", "--yes", "--config-dir", str(other))
    assert len(home.cli.json("schedule")["result"]) == 1


def test_cron_where_there_is_no_systemd(crontab: Crontab, home: SyncHome) -> None:
    others = b"# mine, \xff and not UTF-8\n17 3 * * * /bin/true % x\n"
    crontab.write(others)
    done = home.cli.json("schedule", "install", "--every", "10m")["result"]
    assert (done["by"], done["changed"]) == ("cron", True)
    text = crontab.read()
    assert text.startswith(others)
    (line,) = [line for line in text[len(others) :].decode().splitlines() if not line.startswith("#")]
    assert line.split()[0].endswith("-59/10")
    command = line.split(maxsplit=5)[5].replace("\\%", "%")
    home.mailbox.deliver("INBOX", b"Subject: 1\r\n\r\nx\r\n")
    subprocess.run(["/bin/sh", "-c", command], env={"HOME": home.cli.env["HOME"]}, check=True, timeout=120)
    assert len(home.folder("INBOX")) == 1
    assert home.cli.json("schedule", "install", "--every", "10m")["result"]["changed"] is False
    (row,) = home.cli.json("schedule")["result"]
    assert (row["by"], row["enabled"]) == ("cron", True)
    crontab.write(crontab.read() + b"@daily mine\n")
    assert home.cli.json("schedule", "install", "--every", "1h", "--yes")["result"]["changed"]
    assert crontab.read().endswith(b"@daily mine\n")
    assert home.cli.json("schedule", "remove", "--yes")["result"]["crontab"] is True
    assert crontab.read() == others + b"@daily mine\n"


def test_a_crontab_of_nothing_else_goes(crontab: Crontab, home: SyncHome) -> None:
    crontab.file.unlink()
    home.cli.ok("schedule", "install", "--cron")
    assert crontab.file.exists()
    home.cli.ok("schedule", "remove", "--yes")
    assert not crontab.file.exists()
    assert home.cli.json("schedule", "install", "--watch", code=3)["error"]["code"] == "no_scheduler"
    assert home.cli.json("schedule", "install", "--every", "7m", code=2)["error"]["code"] == "bad_interval"


def test_a_crontab_that_is_denied(home: SyncHome) -> None:
    """What cron's own program says to those whom cron.deny names."""
    program(home.cli, "crontab", 'echo "You (x) are not allowed to use this program (crontab)" >&2; exit 1')
    done = home.cli.json("schedule", "install", "--cron", code=3)
    assert done["error"]["code"] == "no_scheduler"
    assert "not allowed" in done["error"]["message"]


def test_neither_systemd_nor_cron(home: SyncHome) -> None:
    home.cli.env["PATH"] = str(home.cli.home)
    done = home.cli.json("schedule", "install", code=3)
    assert done["error"]["code"] == "no_scheduler"
    assert "systemctl" in done["error"]["message"]
    assert "crontab" in done["error"]["message"]
    assert home.cli.json("schedule", "show")["result"] == []
    assert home.cli.json("schedule", "remove")["result"]["files"] == []


def test_a_systemctl_that_refuses(home: SyncHome) -> None:
    program(home.cli, "systemctl", 'case "$*" in *Version*) exit 0;; *show*) exit 0;; esac; echo no way >&2; exit 4')
    done = home.cli.json("schedule", "install", code=3)
    assert done["error"]["code"] == "scheduler_refused"
    assert "no way" in done["error"]["message"]


def test_what_a_service_can_not_have_is_said(crontab: Crontab, home: SyncHome) -> None:
    gateway = home.cli.config / "gateways/box.toml"
    file = f'{{ file = "{home.password}" }}'
    for source, words in (('{ env = "X_PW" }', "variable"), ('"keyring"', "keyring")):
        gateway.write_text(gateway.read_text().replace(file, source))
        file = source
        done = home.cli.run("schedule", "install", "--dry-run", "--cron")
        assert done.code == 0
        assert words in done.err


def program(cli: Cli, name: str, text: str) -> None:
    """A program that stands for a failing one."""
    folder = cli.home / "fake"
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    cli.env["PATH"] = f"{folder}{os.pathsep}{cli.env['PATH']}"
