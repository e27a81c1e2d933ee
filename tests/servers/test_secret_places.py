"""Where secrets are on each kind of machine that the README's table names, each tried on the real thing.

Not tried for want of one: macOS and Windows (whose limits `test_keyring_parts` has).
"""

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mailctl.config.store import ConfigStore
from mailctl.domain.server import Endpoint, Protocol, Security, Server
from tests.cli.test_password import read_until

from .support.keyring import Keyring
from .support.password_store import NEEDED, PasswordStore
from .support.process import NotStartedError
from .support.requirement import unavailable
from .support.systemd import UserManager, find_systemd
from .support.workspace import Workspace

ROOT = Path(__file__).parents[2]
ADD = ("gateway", "add", "work", "--server", "example", "--email", "a@example.org")
KEY = "correct horse"


@dataclass
class Machine:
    """A home on a machine of some kind; env: the whole environment of what runs there."""

    home: Path
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        usual = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}
        self.env = {**self.env, **usual, "XDG_CONFIG_HOME": str(self.home / ".config")}
        endpoints = {Protocol.IMAP: Endpoint("mail.example.org", 993, Security.TLS)}
        ConfigStore(self.config).save_server(Server("example", endpoints=endpoints))

    @property
    def config(self) -> Path:
        return self.home / ".config/mailctl"

    def run(self, *words: str, stdin: str = "", code: int = 0, env: Mapping[str, str] | None = None) -> Any:
        """Run mailctl with --json; the result, or the whole object where it fails as it should."""
        done = subprocess.run(
            [sys.executable, "-m", "mailctl", *words, "--json"],
            input=stdin,
            env={**self.env, **(env or {})},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, done.stderr
        assert "hunter2" not in done.stdout + done.stderr
        found = json.loads(done.stdout)
        return found if code else found["result"]

    def sources(self, code: int = 0, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        """What the doctor says of each kind of source, and as "fits" which fits."""
        found = self.run("secrets", "doctor", code=code, env=env)
        result = found["result"] if code else found
        return {"fits": result["fits"], **{row["source"]: row for row in result["sources"]}}

    def answers(self, env: Mapping[str, str] | None = None) -> None:
        """The password is there, for `gateway password check` and the doctor."""
        (row,) = self.run("gateway", "password", "check", "work", env=env)
        assert row["available"]
        (row,) = self.run("secrets", "doctor", env=env)["logins"]
        assert row["available"]


@pytest.fixture
def machine(tmp_path: Path, without_keyring: dict[str, str]) -> Machine:
    """One with no D-Bus and no keyring: a server, a container."""
    return Machine(tmp_path / "home", without_keyring)


def test_E8_desktop_linux_an_unlocked_keyring_needs_nothing_else(keyring_session: Keyring, tmp_path: Path) -> None:
    machine = Machine(tmp_path, keyring_session.env)
    machine.run(*ADD, "--password-stdin", stdin="hunter2\n")
    machine.answers()
    assert keyring_session.passwords() == {("mailctl:work", "login"): "hunter2"}
    sources = machine.sources()
    assert (sources["keyring"]["usable"], sources["keyring"]["where"]) == (True, "SecretService.Keyring")
    assert sources["fits"] == "keyring"
    (row,) = machine.run("secrets", "list")
    assert (row["store"], row["owner"], row["used"]) == ("keyring", "work", True)
    key = {"MAILCTL_SECRETS_KEY": KEY}
    machine.run("secrets", "move", "--to", "encrypted", env=key)
    assert keyring_session.passwords() == {}
    machine.run("secrets", "move", "--to", "keyring", env=key)
    assert keyring_session.passwords() == {("mailctl:work", "login"): "hunter2"}
    (machine.config / "gateways/work.toml").unlink()  # by hand
    assert len(machine.run("secrets", "prune", "--yes", env=key)["entries"]) == 1
    assert keyring_session.passwords() == {}


def test_E11_desktop_linux_a_locked_keyring_is_named_and_the_encrypted_file_does(
    keyring_session: Keyring, tmp_path: Path
) -> None:
    machine = Machine(tmp_path, keyring_session.env)
    machine.run(*ADD, "--password-stdin", stdin="hunter2\n")
    keyring_session.lock()
    sources = machine.sources(code=4)
    assert (sources["keyring"]["usable"], sources["keyring"]["code"]) == (False, "keyring_locked")
    assert sources["fits"] == "encrypted"
    key = {"MAILCTL_SECRETS_KEY": KEY}
    found = machine.run("secrets", "move", "--to", "encrypted", code=4, env=key)
    assert found["result"][0]["code"] == "keyring_locked"
    machine.run("gateway", "password", "set", "work", "--encrypted", "--password-stdin", stdin="hunter2\n", env=key)
    machine.answers(env=key)


def test_E12_desktop_linux_a_question_that_nobody_answers_is_not_waited_for(
    hanging_keyring: Keyring, tmp_path: Path
) -> None:
    machine = Machine(tmp_path, hanging_keyring.env)
    for name in ("one", "two", "three"):
        machine.run("gateway", "add", name, *ADD[3:], "--secret", "keyring")
    sources = machine.sources(code=4)
    assert (sources["keyring"]["usable"], sources["keyring"]["code"]) == (False, "keyring_timeout")
    assert sources["fits"] == "encrypted"


@pytest.mark.parametrize("session", [False, True], ids=["no D-Bus", "no GNOME keyring and no KWallet"])
def test_E8_headless_linux_has_no_keyring_and_the_encrypted_file_does(
    machine: Machine, workspace: Workspace, session: bool
) -> None:
    with Keyring(workspace, bus_only=True) as bus:
        if session:
            if shutil.which("dbus-daemon") is None:
                unavailable("dbus", "no dbus-daemon")
            machine.env["DBUS_SESSION_BUS_ADDRESS"] = bus.env["DBUS_SESSION_BUS_ADDRESS"]
        sources = machine.sources()
        assert (sources["keyring"]["usable"], sources["keyring"]["code"]) == (False, "keyring_none")
        assert (sources["encrypted"]["code"], sources["fits"]) == ("secrets_key_missing", "encrypted")
        found = machine.run(*ADD, "--password-stdin", stdin="hunter2\n", code=4)
        assert "--encrypted" in found["error"]["hint"]
        if session:  # a desktop's configuration may insist on KDE's
            kde = {"PYTHON_KEYRING_BACKEND": "keyring.backends.kwallet.DBusKeyring"}
            assert machine.sources(env=kde)["keyring"]["usable"] is False
        key = machine.home / "mailctl.key"
        machine.run("secrets", "key", str(key))
        (machine.config / "config.toml").write_text(f'[secrets]\nkey = {{file = "{key}"}}\n')
        machine.run(*ADD, "--encrypted", "--password-stdin", stdin="hunter2\n")
        machine.answers()
        assert machine.sources()["encrypted"]["usable"]
        key.chmod(0o644)
        assert machine.sources(code=4)["encrypted"]["code"] == "secret_file_unsafe"


def test_headless_linux_a_person_is_asked_for_the_passphrase_without_echo(machine: Machine) -> None:
    def typed(words: list[str], answers: list[tuple[bytes, bytes]]) -> tuple[int, bytes]:
        pid, terminal = pty.fork()
        if pid == 0:
            argv = [sys.executable, "-m", "mailctl", *words]
            os.execve(sys.executable, argv, {**machine.env, "TERM": "xterm"})
        shown = b""
        for question, answer in answers:
            shown += read_until(terminal, question)
            os.write(terminal, answer + b"\n")
        shown += read_until(terminal, None)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(terminal)
        return status, shown

    password, new, again = b"Password for a@example.org: ", b"New passphrase for the encrypted file: ", b"again: "
    old = b"Passphrase of the encrypted file: "
    add = [*ADD, "--encrypted"]
    code, shown = typed(add, [(password, b"hunter2"), (new, b"one thing"), (again, b"another thing")])
    assert (code, b"differ" in shown, (machine.config / "secrets.jwe").exists()) == (2, True, False)
    code, shown = typed(add, [(password, b"hunter2"), (new, KEY.encode()), (again, KEY.encode())])
    assert code == 0, shown
    machine.answers(env={"MAILCTL_SECRETS_KEY": KEY})
    code, more = typed(["gateway", "password", "check", "work"], [(old, KEY.encode())])
    assert (code, b"answers" in more) == (0, True)
    other = ["gateway", "add", "home", "--server", "example", "--email", "b@example.org", "--encrypted"]
    code, third = typed(other, [(b"Password for b@example.org: ", b"hunter3"), (old, KEY.encode())])
    assert code == 0, third
    code, fourth = typed(["secrets", "doctor"], [(old, KEY.encode())])  # once, for two gateways
    assert code == 0, fourth
    code, fifth = typed(["secrets", "doctor", "--json"], [(old, b"wrong horse")])
    assert (code, b'"secrets_key_wrong"' in fifth) == (4, True)
    code, sixth = typed(
        ["secrets", "key", "--change"], [(old, KEY.encode()), (new, b"new horse"), (again, b"new horse")]
    )
    assert code == 0, sixth
    logins = machine.run("secrets", "doctor", env={"MAILCTL_SECRETS_KEY": "new horse"})["logins"]
    assert [row["available"] for row in logins] == [True, True]
    shown += sixth
    assert not [word for word in (b"hunter", b"horse") if word in shown + more + third + fourth + fifth]


@pytest.fixture
def store(workspace: Workspace) -> Iterator[PasswordStore]:
    """`pass`, with a real key."""
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        unavailable("pass", f"no {' nor '.join(missing)}")
    with PasswordStore(workspace) as made:
        yield made


def test_headless_linux_pass_with_a_real_key(machine: Machine, store: PasswordStore) -> None:
    machine.env |= store.env
    store.insert("mail/work", "hunter2")
    machine.run(*ADD, "--password-command", "pass mail/work")
    machine.answers()
    assert "pass" in machine.sources()["command"]["where"]
    key = {"MAILCTL_SECRETS_KEY": KEY}
    machine.run("secrets", "move", "--to", "encrypted", "--from", "command", env=key)
    store.lose_key()
    machine.answers(env=key)
    machine.run("gateway", "password", "source", "work", "--password-command", "pass mail/work", env=key)
    found = machine.run("gateway", "password", "check", "work", code=4)
    assert found["error"]["code"] == "secret_command"
    assert "gpg" in found["error"]["message"]


@pytest.fixture
def manager(workspace: Workspace, tmp_path: Path) -> Iterator[UserManager]:
    """A private systemd."""
    program = find_systemd()
    if isinstance(program, str):
        unavailable("systemd", program)
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    try:
        with UserManager(workspace, program, home) as running:
            yield running
    except NotStartedError as error:
        unavailable("a private systemd", str(error))


def test_systemd_services_take_passwords_and_the_key_as_credentials(
    machine: Machine, manager: UserManager, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir(mode=0o700)
    for name, value in (("work", "hunter2"), ("key", KEY)):
        (kept / name).touch(0o600)
        (kept / name).write_text(f"{value}\n")
    machine.run(*ADD, "--password-file", "work", env={"CREDENTIALS_DIRECTORY": str(kept)})
    added = ("gateway", "add", "home", "--server", "example", "--email", "b@example.org")
    machine.run(*added, "--encrypted", "--password-stdin", stdin="hunter2\n", env={"MAILCTL_SECRETS_KEY": KEY})
    out = tmp_path / "out"
    units = machine.home / ".config/systemd/user"
    units.mkdir(parents=True)
    (units / "try.service").write_text(
        f"[Service]\nType=oneshot\nLoadCredential=work:{kept}/work\nLoadCredential=key:{kept}/key\n"
        "Environment=MAILCTL_SECRETS_KEY_FILE=key\n"
        f"Environment=PYTHONPATH={ROOT} HOME={machine.home} XDG_CONFIG_HOME={machine.home}/.config\n"
        f"ExecStart={sys.executable} -m mailctl secrets doctor --json\nStandardOutput=file:{out}\n"
    )
    manager.systemctl("daemon-reload")
    manager.systemctl("start", "try.service")
    found = json.loads(out.read_text())["result"]
    assert [(row["gateway"], row["available"]) for row in found["logins"]] == [("home", True), ("work", True)]
    assert found["fits"] == "file"
    assert "hunter2" not in out.read_text()


def test_containers_and_CI_take_variables_or_a_private_file(machine: Machine, tmp_path: Path) -> None:
    machine.run(*ADD, "--password-env", "WORK_PASSWORD", env={"WORK_PASSWORD": "hunter2"})
    machine.answers(env={"WORK_PASSWORD": "hunter2"})
    found = machine.run("secrets", "doctor", code=4)
    assert found["result"]["logins"][0]["message"] == "The variable 'WORK_PASSWORD' is not set"
    mounted = tmp_path / "run/secrets"
    mounted.mkdir(parents=True)
    secret = mounted / "work"
    secret.write_text("hunter2\n")
    machine.run("gateway", "password", "source", "work", "--password-file", str(secret))
    secret.chmod(0o400)
    machine.answers()
    secret.chmod(0o444)  # as Docker mounts it if it isn't told otherwise
    assert machine.run("secrets", "doctor", code=4)["error"]["code"] == "secret_file_unsafe"
    secret.unlink()
    (mounted / "..data").mkdir()
    (mounted / "..data/work").write_text("hunter2\n")
    secret.symlink_to("..data/work")  # as Kubernetes does without subPath
    assert machine.run("secrets", "doctor", code=4)["error"]["code"] == "secret_file_unsafe"


def test_containers_keep_the_encrypted_file_on_a_volume(machine: Machine, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    volume.chmod(0o777)  # as clusters make them
    settings = machine.config / "config.toml"
    settings.write_text(f'[secrets]\nfile = "{volume}/mailctl/secrets.jwe"\n')
    key = {"MAILCTL_SECRETS_KEY": KEY}
    machine.run(*ADD, "--encrypted", "--password-stdin", stdin="hunter2\n", env=key)
    assert (volume / "mailctl").stat().st_mode & 0o777 == 0o700
    assert (volume / "mailctl/secrets.jwe").exists()
    machine.answers(env=key)
