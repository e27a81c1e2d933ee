"""The system's keyring: a real gnome-keyring, open, locked, stuck or absent; and backends that misbehave."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jeepney import DBusAddress, new_method_call  # type: ignore[import-untyped]  # ships no types
from jeepney.io.blocking import open_dbus_connection  # type: ignore[import-untyped]  # ships no types

from mailctl.domain.secret import Secret
from mailctl.errors import SecretError
from mailctl.secrets.keyring import SystemKeyring
from mailctl.secrets.private import locked

from .support.keyring import Keyring

WORK = ("mailctl:work", "login")

BACKENDS = """
    import os, subprocess, sys, time
    from keyring.backend import KeyringBackend

    class Good(KeyringBackend):
        priority = 1
        kept = {}
        def get_password(self, service, user): return self.kept.get((service, user))
        def set_password(self, service, user, value): self.kept[service, user] = value
        def delete_password(self, service, user): del self.kept[service, user]

    class Forgetful(Good):
        def set_password(self, service, user, value): pass

    class Cutting(Good):
        def set_password(self, service, user, value): self.kept[service, user] = value.split("\\n")[0][:40]

    class MyPlaintextStore(Good): pass

    class Hanging(Good):
        def get_password(self, service, user):
            subprocess.Popen(["sleep", "600"])
            time.sleep(600)

    class Odd(Good):
        def get_password(self, service, user): raise eval(os.environ["ODD"])

    class Telling(Good):
        def set_password(self, service, user, value): raise ValueError(f"can't keep {value} {value.encode().hex()}")

    class Crashing(Good):
        def get_password(self, service, user): os.abort()

    class Chatty(Good):
        def get_password(self, service, user):
            print("hello"); sys.stderr.write("hello"); os.write(1, b'{"value": "wrong"}\\n')
            return "right"

    class Asking(Good):
        def get_password(self, service, user): return input("Master password: ")
"""


@pytest.fixture
def backend(tmp_path: Path, without_keyring: dict[str, str]) -> Iterator[Callable[..., SystemKeyring]]:
    """A function: name of a backend of the above in, a keyring that uses it out."""
    (tmp_path / "odd_backends.py").write_text(textwrap.dedent(BACKENDS))
    made: list[SystemKeyring] = []

    def make(name: str, seconds: float = 10, **env: str) -> SystemKeyring:
        chosen = name if "." in name else f"odd_backends.{name}"
        env = {**without_keyring, "PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": chosen, **env}
        made.append(SystemKeyring(env, seconds=seconds))
        return made[-1]

    yield make
    for each in made:
        each.close()


@contextmanager
def using(env: dict[str, str], seconds: float = 10) -> Iterator[SystemKeyring]:
    ring = SystemKeyring(env, seconds=seconds)
    try:
        yield ring
    finally:
        ring.close()


def failure(call: Callable[[], object], code: str) -> str:
    with pytest.raises(SecretError) as caught:
        call()
    assert caught.value.code == code
    for way in ("password source", "--password-command", "--password-file", "--password-env"):
        assert way in caught.value.hint
    return caught.value.message


def test_an_open_keyring_keeps_finds_and_removes(keyring_session: Keyring) -> None:
    with using(keyring_session.env) as ring:
        assert ring.get(*WORK).secret is None
        assert not ring.delete(*WORK)
        assert ring.set(*WORK, Secret("hunter2")) == "SecretService.Keyring"
        assert keyring_session.passwords() == {WORK: "hunter2"}
        entry = ring.get(*WORK)
        assert entry.secret == Secret("hunter2")
        assert entry.kept_at is not None
        assert abs((datetime.now(UTC) - entry.kept_at).total_seconds()) < 120
        ring.set(*WORK, Secret("hunter3"))
        assert ring.get(*WORK).secret == Secret("hunter3")
        assert ring.delete(*WORK)
        assert keyring_session.passwords() == {}


def test_processes_take_turns_and_nobody_waits_for_ever(keyring_session: Keyring, tmp_path: Path) -> None:
    turns = tmp_path / "turns"
    ring = SystemKeyring(keyring_session.env, seconds=2.0, turns=turns)
    with locked(turns, what="it"):  # by one that hangs
        assert ring.set(*WORK, Secret("hunter2"))
        began = time.monotonic()
        for _ in range(20):
            assert ring.get(*WORK).secret == Secret("hunter2")
        assert time.monotonic() - began < 10  # it is waited for once
    with closing(SystemKeyring(keyring_session.env, turns=turns)) as other:
        assert other.get(*WORK).secret == Secret("hunter2")
    ring.close()


@pytest.mark.parametrize("value", ["x" * 65000, "pässwörd €", "line\nline\n", " spaced ", "𝄞'\"\\%", "\x1b[31m"])
def test_E14_any_text_comes_back_as_it_was(keyring_session: Keyring, value: str) -> None:
    with using(keyring_session.env) as ring:
        ring.set(*WORK, Secret(value))
        assert ring.get(*WORK).secret == Secret(value)


def test_E14_a_backend_that_cuts_is_found_out(backend: Callable[..., SystemKeyring]) -> None:
    ring = backend("Cutting")
    assert "40 characters came back of 41" in failure(lambda: ring.set(*WORK, Secret("x" * 41)), "keyring_refused")
    assert ring.get(*WORK).secret is None
    ring.set(*WORK, Secret("short"))
    failure(lambda: ring.set(*WORK, Secret("two\nlines")), "keyring_refused")
    assert ring.get(*WORK).secret == Secret("short")  # what was there before is there again


def test_the_bus_is_found_in_its_usual_place(keyring_session: Keyring) -> None:
    env = dict(keyring_session.env)
    env["XDG_RUNTIME_DIR"] = str(Path(env.pop("DBUS_SESSION_BUS_ADDRESS").removeprefix("unix:path=")).parent)
    with using(env) as ring:
        assert ring.set(*WORK, Secret("hunter2")) == "SecretService.Keyring"
    assert keyring_session.passwords() == {WORK: "hunter2"}


def test_threads_share_one_keyring(keyring_session: Keyring) -> None:
    with using(keyring_session.env) as ring, ThreadPoolExecutor(8) as pool:
        names = [f"mailctl:{number}" for number in range(24)]
        list(pool.map(lambda name: ring.set(name, "login", Secret(f"of {name}")), names))
        found = list(pool.map(lambda name: ring.get(name, "login").secret, names))
    assert found == [Secret(f"of {name}") for name in names]


def test_E8_no_keyring_at_all(without_keyring: dict[str, str]) -> None:
    with using(without_keyring) as ring:
        for call in (lambda: ring.get(*WORK), lambda: ring.set(*WORK, Secret("x")), lambda: ring.delete(*WORK)):
            assert "DBUS_SESSION_BUS_ADDRESS" in failure(call, "keyring_none")


def test_a_bus_that_is_up_later_is_found(keyring_session: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """At boot a service may be there before the session's bus is."""
    keyring_session.stop()
    Path(keyring_session.env["DBUS_SESSION_BUS_ADDRESS"].removeprefix("unix:path=")).unlink(missing_ok=True)
    with using(keyring_session.env) as ring:
        failure(lambda: ring.get(*WORK), "keyring_none")
        keyring_session.start()
        failure(lambda: ring.get(*WORK), "keyring_none")  # the library looks for backends once in a process
        ring._stale_at = time.monotonic()
        assert ring.get(*WORK).secret is None
        ring.set(*WORK, Secret("hunter2"))
        assert ring.get(*WORK).secret == Secret("hunter2")


def test_E8_the_fail_backend(backend: Callable[..., SystemKeyring]) -> None:
    assert "fail.Keyring" in failure(lambda: backend("keyring.backends.fail.Keyring").get(*WORK), "keyring_none")


@pytest.mark.parametrize("name", ["keyring.backends.null.Keyring", "Forgetful"])
def test_E9_a_backend_that_drops_is_refused(backend: Callable[..., SystemKeyring], name: str) -> None:
    assert name.rsplit(".", 2)[-1] in failure(lambda: backend(name).set(*WORK, Secret("hunter2")), "keyring_refused")


def test_E10_plain_text_is_refused(backend: Callable[..., SystemKeyring], tmp_path: Path) -> None:
    assert "plain text" in failure(lambda: backend("MyPlaintextStore").set(*WORK, Secret("hunter2")), "keyring_refused")
    (tmp_path / "keyrings/alt").mkdir(parents=True)
    (tmp_path / "keyrings/alt/file.py").write_text(
        "import odd_backends\nclass SomeKeyring(odd_backends.Good): pass\nclass EncryptedKeyring(SomeKeyring): pass\n"
    )
    assert "plain text" in failure(lambda: backend("keyrings.alt.file.SomeKeyring").get(*WORK), "keyring_refused")
    assert backend("keyrings.alt.file.EncryptedKeyring").set(*WORK, Secret("x")) == "keyrings.alt.file.EncryptedKeyring"


def installed_plain_text(folder: Path) -> None:
    """As if a package with a plain-text backend were installed beside the keyring library."""
    (folder / "plain_backends.py").write_text(
        "from keyring.backends.null import Keyring\nclass PlaintextKeyring(Keyring):\n    priority = 0.5\n"
    )
    (folder / "plain-1.dist-info").mkdir()
    (folder / "plain-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: plain\nVersion: 1\n")
    (folder / "plain-1.dist-info/entry_points.txt").write_text("[keyring.backends]\nplain = plain_backends\n")


def test_E10_plain_text_is_left_out_of_a_chain(keyring_session: Keyring, tmp_path: Path) -> None:
    installed_plain_text(tmp_path)
    chain = "keyring.backends.chainer.ChainerBackend"
    with using({**keyring_session.env, "PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": chain}) as ring:
        assert ring.set(*WORK, Secret("hunter2")) == "SecretService.Keyring"
        assert keyring_session.passwords() == {WORK: "hunter2"}


def test_E10_plain_text_alone_is_no_keyring(tmp_path: Path, without_keyring: dict[str, str]) -> None:
    installed_plain_text(tmp_path)
    with using({**without_keyring, "PYTHONPATH": str(tmp_path)}) as ring:
        assert "plain_backends.PlaintextKeyring" in failure(lambda: ring.set(*WORK, Secret("x")), "keyring_refused")


def test_E11_a_locked_keyring_says_so(keyring_session: Keyring) -> None:
    with using(keyring_session.env) as ring:
        ring.set(*WORK, Secret("hunter2"))
        keyring_session.lock()
        for call in (lambda: ring.get(*WORK), lambda: ring.set(*WORK, Secret("x")), lambda: ring.delete(*WORK)):
            assert "locked (tried: SecretService.Keyring)" in failure(call, "keyring_locked")


def test_E11_one_that_was_never_opened_says_so(locked_keyring: Keyring) -> None:
    with using(locked_keyring.env) as ring:
        assert "SecretService.Keyring" in failure(lambda: ring.set(*WORK, Secret("x")), "keyring_locked")


@contextmanager
def stopped(session: Keyring) -> Iterator[None]:
    """The keyring's daemon stands still meanwhile, as one does that waits for a person."""
    address = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
    with open_dbus_connection(session.env["DBUS_SESSION_BUS_ADDRESS"]) as bus:
        call = new_method_call(address, "GetConnectionUnixProcessID", "s", ("org.freedesktop.secrets",))
        pid = bus.send_and_get_reply(call).body[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_E12_a_keyring_that_never_answers(keyring_session: Keyring, tmp_path: Path) -> None:
    turns = tmp_path / "turns"
    with closing(SystemKeyring(keyring_session.env, seconds=1, turns=turns)) as ring:
        ring.set(*WORK, Secret("hunter2"))
        with stopped(keyring_session):
            began = time.monotonic()
            assert "within 1 s" in failure(lambda: ring.get(*WORK), "keyring_timeout")
            assert time.monotonic() - began < 3
            with locked(turns, what="it"):  # by another that waits for the same keyring
                began = time.monotonic()
                for _ in range(50):  # fifty gateways don't wait fifty times
                    failure(lambda: ring.get(*WORK), "keyring_timeout")
                assert time.monotonic() - began < 1


def test_E12_a_prompt_that_nobody_answers(hanging_keyring: Keyring) -> None:
    with using(hanging_keyring.env, seconds=2) as ring:
        began = time.monotonic()
        assert "nobody answers its question" in failure(lambda: ring.set(*WORK, Secret("x")), "keyring_timeout")
        assert time.monotonic() - began < 4


def test_E12_what_hangs_is_ended_with_all_it_started(backend: Callable[..., SystemKeyring]) -> None:
    ring = backend("Hanging", seconds=1)
    failure(lambda: ring.get(*WORK), "keyring_timeout")
    assert ring._child is None


def test_E12_a_process_ends_at_once_although_its_keyring_hangs(
    backend: Callable[..., SystemKeyring], tmp_path: Path
) -> None:
    program = (
        "import os; from mailctl.secrets.keyring import SystemKeyring\n"
        "try: SystemKeyring(dict(os.environ)).get('mailctl:work', 'login')\n"
        "except Exception as error: print(error)"
    )
    env = {**backend("Hanging")._env, "PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60)
    assert "did not answer within 3 s" in done.stdout
    assert done.stderr == ""
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("error", ["RuntimeError('no D-Bus')", "EOFError()", "AttributeError('x')", "OSError(5, 'y')"])
def test_E13_odd_errors_of_a_backend_are_named(backend: Callable[..., SystemKeyring], error: str) -> None:
    message = failure(lambda: backend("Odd", ODD=error).get(*WORK), "secret_unavailable")
    assert "tried: odd_backends.Odd" in message
    assert error.partition("(")[0] in message


@pytest.mark.parametrize("name", ["os.system", "no.such.Backend", "keyring.backends.fail", "x.y\n"])
def test_E13_a_hostile_choice_of_backend(backend: Callable[..., SystemKeyring], name: str) -> None:
    assert "can't be loaded" in failure(lambda: backend(name).get(*WORK), "secret_unavailable")


def test_E13_a_crash_is_an_error_and_the_next_call_works(backend: Callable[..., SystemKeyring]) -> None:
    ring = backend("Crashing")
    assert "crashed" in failure(lambda: ring.get(*WORK), "secret_unavailable")
    assert "crashed" in failure(lambda: ring.get(*WORK), "secret_unavailable")


def test_E13_a_backend_that_prints_or_asks(backend: Callable[..., SystemKeyring]) -> None:
    assert backend("Chatty").get(*WORK).secret == Secret("right")
    assert "EOFError" in failure(lambda: backend("Asking").get(*WORK), "secret_unavailable")


def test_E4_an_error_never_quotes_the_password(backend: Callable[..., SystemKeyring]) -> None:
    message = failure(lambda: backend("Telling").set(*WORK, Secret("hunter2")), "secret_unavailable")
    assert message.endswith("can't keep *** ***")


CONFIG = {
    "servers/local.toml": '[imap]\nhost = "127.0.0.1"\nport = 9\nsecurity = "tls"\n',
    "gateways/work.toml": 'server = "local"\nemail = "a@b.example"\n[login]\nuser = "a"\nsecret = "keyring"\n',
}


def mailctl(env: dict[str, str], *arguments: str, stdin: str = "") -> tuple[int, str, float]:
    """Run mailctl in a home with one gateway; exit code, stderr, seconds."""
    for name, text in CONFIG.items():
        path = Path(env["XDG_CONFIG_HOME"], "mailctl", name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(text)
    argv = [sys.executable, "-m", "mailctl", "gateway", "password", *arguments]
    began = time.monotonic()
    done = subprocess.run(
        argv,
        env={**env, "PYTHONPATH": str(Path(__file__).parents[2])},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr, time.monotonic() - began


@pytest.mark.parametrize("fixture", ["without_keyring", "locked_keyring", "hanging_keyring"])
def test_E8_E11_E12_a_command_ends_with_4_and_says_how_to_go_on(fixture: str, request: pytest.FixtureRequest) -> None:
    found = request.getfixturevalue(fixture)
    env = found if isinstance(found, dict) else found.env
    for arguments in (("check", "work"), ("set", "work", "--password-stdin")):
        code, said, seconds = mailctl(env, *arguments, stdin="hunter2\n")
        assert code == 4, said
        assert "--password-command" in said
        assert "Traceback" not in said
        assert seconds < 10


def test_a_command_keeps_and_finds(keyring_session: Keyring) -> None:
    code, said, _ = mailctl(keyring_session.env, "set", "work", "--password-stdin", stdin="hunter2\n")
    assert code == 0, said
    assert keyring_session.passwords() == {WORK: "hunter2"}
    assert mailctl(keyring_session.env, "check", "work")[0] == 0
    assert mailctl(keyring_session.env, "clear", "work")[0] == 0
    assert keyring_session.passwords() == {}


def test_a_module_in_the_working_folder_is_not_loaded(without_keyring: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    (folder / "keyring.py").write_text("open('loaded', 'w')")
    program = (
        "import os, sys; from mailctl.secrets.keyring import SystemKeyring\n"
        "try: SystemKeyring(dict(os.environ)).get('mailctl:work', 'login')\n"
        "except Exception as error: print(error)"
    )
    argv = [sys.executable, "-P", "-c", program]
    env = {**without_keyring, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(argv, env=env, cwd=folder, capture_output=True, text=True, timeout=60)
    assert "no keyring" in done.stdout
    assert not (folder / "loaded").exists()
