"""The configuration as a whole: broken files, users of servers, renaming that survives interruption, two at once."""

import multiprocessing
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailctl.config import files
from mailctl.config.store import ConfigStore
from mailctl.domain.effective import effective
from mailctl.domain.gateway import Gateway, Inbound, Login, Outbound, SecretSource, SourceKind
from mailctl.domain.server import CertificatePolicy, Endpoint, Protocol, Security, Server
from mailctl.domain.settings import Limits, Settings
from mailctl.errors import ConfigError, ExistsError, LockedError, MailctlError, NotFoundError, StorageError, UsageError

IMAP = Endpoint("imap.example.org", 993, Security.TLS)
SMTP = Endpoint("smtp.example.org", 465, Security.TLS)


def server(name: str = "s") -> Server:
    return Server(name, None, {Protocol.IMAP: IMAP, Protocol.SMTP: SMTP})


def gateway(name: str = "g", on: str = "s", **more: Any) -> Gateway:
    return Gateway(name, on, f"{name}@example.org", Login(f"{name}@example.org"), **more)


@pytest.fixture
def store(tmp_path: Path) -> ConfigStore:
    store = ConfigStore(tmp_path / "config")
    store.save_server(server(), new=True)
    store.save_gateway(gateway(), new=True)
    return store


def put(store: ConfigStore, name: str, text: str) -> Path:
    path = store.gateway_path(name)
    path.write_text(text)
    return path


def test_nothing_is_there_at_first(tmp_path: Path) -> None:
    store = ConfigStore(tmp_path / "none")
    assert not any((store.servers().objects, store.gateways().objects, store.problems()))
    assert store.settings == Settings()
    assert store.default_gateway == ""
    with pytest.raises(NotFoundError):
        store.gateway("g")
    assert not (tmp_path / "none").exists()


def test_a_broken_file_breaks_one_gateway(store: ConfigStore) -> None:
    path = put(store, "bad", 'server = "s"\nemial = "x"\n[inbound]\nmax_size = true\n')
    put(store, "worse", "=")
    (path.parent / "not a name.toml").write_text("")
    (path.parent / "bytes.toml").write_bytes(b"\xff")
    (path.parent / "folder.toml").mkdir()
    (path.parent / ".hidden.toml").write_text("=")
    (path.parent / "old.toml~").write_text("=")
    listing = store.gateways()
    assert [each.name for each in listing.objects] == ["g"]
    assert {(os.path.basename(p.file), p.key) for p in listing.problems} == {
        ("bad.toml", "emial"),
        ("bad.toml", "inbound.max_size"),
        ("bad.toml", "email"),
        ("worse.toml", ""),
        ("not a name.toml", ""),
        ("bytes.toml", ""),
        ("folder.toml", ""),
    }
    assert store.gateway("g") == gateway()
    with pytest.raises(ConfigError, match=r"bad\.toml: emial: unknown key") as caught:
        store.gateway("bad")
    assert caught.value.hint == "Did you mean 'email'?"
    with pytest.raises(ConfigError, match="line 1"):
        store.gateway("worse")


def test_no_path_leaves_the_folder(store: ConfigStore) -> None:
    for name in ("../x", "a/b", ".x", "", "a\nb", "x" * 65, "x.toml", "a\x1b"):
        with pytest.raises(UsageError):
            store.gateway(name)
        with pytest.raises(UsageError):
            store.save_server(server(name))


def test_saving(store: ConfigStore) -> None:
    assert store.save_gateway(gateway()).changed is False
    with pytest.raises(ExistsError):
        store.save_gateway(gateway(), new=True)
    with pytest.raises(UsageError, match=r"inbound\.interval"):
        store.save_gateway(gateway("h", inbound=Inbound(interval=0)))
    assert not store.gateway_exists("h")


def test_comments_are_kept_or_the_old_file_is(store: ConfigStore) -> None:
    path = put(store, "g", '# mine\n\nserver = "s"\nemail = "g@example.org"\n')
    saved = store.save_gateway(gateway(order=7))
    assert (saved.backup, saved.warnings) == (None, ())
    assert path.read_text().startswith("# mine\n\nserver = ")
    old = '# mine\nserver = "s" # why\nemail = "g@example.org"\n'
    put(store, "g", old)
    saved = store.save_gateway(gateway(order=8))
    assert saved.backup == path.with_name("g.toml~")
    assert saved.backup.read_text() == old
    assert "g.toml~" in saved.warnings[0]
    assert path.read_text().startswith("# mine\nserver = ")
    put(store, "g", old)
    assert store.save_gateway(gateway()).changed is False  # nothing to write, nothing to lose
    assert path.read_text() == old


def test_D7_a_command_from_a_file_that_others_can_write_is_refused(store: ConfigStore) -> None:
    source = SecretSource(SourceKind.COMMAND, ("pass", "x"))
    store.save_gateway(replace(gateway("cmd"), login=Login("u", source)))
    path = store.gateway_path("cmd")
    assert store.gateway("cmd").login.secret == source
    path.chmod(0o620)
    with pytest.raises(ConfigError, match="others can write") as caught:
        store.gateway("cmd")
    assert caught.value.hint == f"chmod go-w {path}"
    assert [problem.name for problem in store.gateways().problems] == ["cmd"]
    real = path.rename(path.with_name("elsewhere"))
    real.chmod(0o600)
    path.symlink_to("elsewhere")
    with pytest.raises(ConfigError, match="symbolic link"):
        store.gateway("cmd")


def test_a_server_in_use_stays(store: ConfigStore) -> None:
    put(store, "broken", 'server = "\\u0073"\nx = 1')
    put(store, "torn", 'server = "s"\nx = ')
    put(store, "elsewhere", 'server = "tss"\nx = 1')
    with pytest.raises(ExistsError, match="in use by broken, g, torn"):
        store.remove_server("s")
    with pytest.raises(ConfigError, match=r"can't be told .*broken\.toml"):
        store.rename_server("s", "t")
    store.gateway_path("broken").unlink()
    store.gateway_path("torn").unlink()
    store.remove_gateway("g")
    store.remove_server("s")
    with pytest.raises(NotFoundError):
        store.remove_server("s")


def test_a_renamed_server_takes_its_gateways_along(store: ConfigStore) -> None:
    store.save_server(server("other"))
    store.save_gateway(gateway("h", on="other"))
    put(store, "g", '# mine\nserver = "s"\nemail = "g@example.org"\n')
    assert store.rename_server("s", "t") == (["g"], [])
    assert (store.gateway("g").server, store.gateway("h").server) == ("t", "other")
    assert store.gateway_path("g").read_text().startswith("# mine")
    assert [each.name for each in store.servers().objects] == ["other", "t"]
    with pytest.raises(ExistsError):
        store.rename_server("t", "t")
    store.save_server(replace(server("other"), endpoints={Protocol.IMAP: IMAP}))
    with pytest.raises(ExistsError):
        store.rename_server("t", "other")


class Killed(BaseException):
    """The process is no more."""


def interrupted(
    call: Callable[[], object],
    patched: pytest.MonkeyPatch,
    whole: Callable[[], None] = lambda: None,
    *,
    killed: bool = False,
    between: Callable[[], object] = lambda: None,
) -> int:
    """Let `call` fail at its 1st, 2nd … system call on files, until it comes through; how often it failed.

    killed: from there on nothing is done any more. whole: asserts, after each failure, that nothing is torn.
    between: what is done after each failure.
    """
    failures = 0
    for step in range(100):
        calls = 0
        with patched.context() as patch:
            for name in ("replace", "rename", "unlink", "fsync", "open"):
                real = getattr(os, name)

                def call_it(*a: Any, real: Any = real, step: int = step, **o: Any) -> Any:
                    nonlocal calls
                    calls += 1
                    if killed and calls > step:
                        raise Killed
                    if calls == step + 1:
                        raise OSError(5, "Input/output error")
                    return real(*a, **o)

                patch.setattr(os, name, call_it)
            try:
                call()
            except (MailctlError, OSError, Killed):
                failures += 1
            else:
                if calls <= step:
                    return failures
        whole()
        between()
        whole()
    raise AssertionError("never came through")


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("then", ["again", "undo", ""])
def test_renaming_a_server_can_be_interrupted_anywhere(
    store: ConfigStore, monkeypatch: pytest.MonkeyPatch, killed: bool, then: str
) -> None:
    for name in ("h", "i"):
        store.save_gateway(gateway(name))

    def rename(old: str = "s", new: str = "t") -> None:
        fresh = ConfigStore(store.root)
        if fresh.server_exists(old) or fresh.problems():
            fresh.rename_server(old, new)

    def whole() -> None:
        assert {each.server for each in store.gateways().objects} <= set(store.server_names())

    def between() -> None:
        if then == "again":
            rename()
        if then:
            rename("t", "s")
            assert store.server_names() == ["s"]
            assert {each.server for each in store.gateways().objects} == {"s"}
            assert store.problems() == []

    assert interrupted(rename, monkeypatch, whole, killed=killed, between=between) > 10
    assert {each.server for each in store.gateways().objects} == {"t"}
    assert [each.name for each in store.servers().objects] == ["t"]
    assert store.problems() == []


class Belongings:
    """Secrets and mail, by gateway. They break down where `fault` says."""

    def __init__(self, fault: str = "") -> None:
        self.secrets, self.mail, self.fault = {"g"}, {"g"}, fault

    def copy(self, gateway: Gateway, new: str) -> None:
        self._break("copy")
        if gateway.name in self.secrets:
            self.secrets.add(new)

    def carry(self, gateway: Gateway, new: str) -> None:
        self._break("carry")
        if gateway.name in self.mail:
            self.mail = {new}

    def forget(self, gateway: Gateway) -> None:
        self._break("forget")
        self.secrets.discard(gateway.name)

    def _break(self, at: str) -> None:
        if at == self.fault:
            raise LockedError(at)


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("then", ["again", "undo", ""])
def test_renaming_a_gateway_can_be_interrupted_anywhere(
    store: ConfigStore, monkeypatch: pytest.MonkeyPatch, killed: bool, then: str
) -> None:
    store.set_default_gateway("g")
    things = Belongings()

    def rename(old: str = "g", new: str = "n") -> None:
        fresh = ConfigStore(store.root)
        if fresh.gateway_exists(old) or fresh.unfinished_rename():
            fresh.rename_gateway(old, new, things)

    def between() -> None:
        if then == "again":
            rename()
        if then:
            rename("n", "g")
            assert (things.secrets, things.mail, store.default_gateway) == ({"g"}, {"g"}, "g")
            assert store.gateway("g").name == "g"
            assert store.problems() == []

    assert interrupted(rename, monkeypatch, killed=killed, between=between) > 5
    assert (things.secrets, things.mail) == ({"n"}, {"n"})
    assert store.gateway_names() == ["n"]
    assert store.default_gateway == "n"
    assert store.problems() == []


@pytest.mark.parametrize("fault", ["copy", "carry"])
def test_a_renaming_that_fails_is_rolled_back(store: ConfigStore, fault: str) -> None:
    things = Belongings(fault)
    store.set_default_gateway("g")
    with pytest.raises(LockedError):
        store.rename_gateway("g", "n", things)
    assert (things.secrets, things.mail, store.default_gateway) == ({"g"}, {"g"}, "g")
    assert store.gateway("g").name == "g"
    assert store.problems() == []


def test_a_file_that_can_not_be_renamed_locks_nothing(store: ConfigStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", refuse)
        with pytest.raises(StorageError, match="Permission denied"):
            store.rename_gateway("g", "n", Belongings())
    assert store.gateway("g").name == "g"
    put(store, "h", '# mine\nserver = "s" # in the middle\nemail = "h@example.org"\n')
    texts = [store.gateway_path(name).read_text() for name in "gh"]
    real = os.replace

    def refuse_h(old: str, new: Path) -> None:
        if new.name == "h.toml":
            refuse()
        real(old, new)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", refuse_h)
        with pytest.raises(StorageError, match="Permission denied"):
            store.rename_server("s", "t")
    assert [store.gateway_path(name).read_text() for name in "gh"] == texts
    assert store.server_names() == ["s"]
    assert store.problems() == []


def test_an_unfinished_renaming_of_what_was_removed_by_hand_ends(store: ConfigStore) -> None:
    (store.root / ".renaming").write_text("x\ny\n")
    (store.root / ".renaming-server").write_text("x\ny\n")
    with pytest.raises(NotFoundError):
        store.rename_gateway("x", "y", Belongings())
    with pytest.raises(ConfigError, match="not finished"):
        store.rename_server("s", "t")
    with pytest.raises(NotFoundError):
        store.rename_server("y", "x")
    assert store.problems() == []


def test_an_unfinished_renaming_is_in_the_way_of_nothing_else(store: ConfigStore) -> None:
    store.save_gateway(gateway("h"))
    with pytest.raises(LockedError):
        store.rename_gateway("g", "n", Belongings("forget"))
    for name in ("g", "n"):
        with pytest.raises(ConfigError, match="not finished") as caught:
            store.gateway(name)
        assert caught.value.hint.endswith("mailctl gateway rename g n, or undo it: mailctl gateway rename n g")
    assert store.gateway("h").name == "h"
    assert [problem.fix for problem in store.problems()] == ["mailctl gateway rename g n"]
    with pytest.raises(ConfigError, match="not finished"):
        store.rename_gateway("h", "i", Belongings())
    store.rename_gateway("g", "n", Belongings())
    assert store.gateway("n").email == "g@example.org"


def test_the_default_gateway(store: ConfigStore) -> None:
    store.set_default_gateway("g")
    assert store.default_gateway == "g"
    with pytest.raises(NotFoundError):
        store.set_default_gateway("nobody")
    store.remove_gateway("g")
    assert store.default_gateway == ""


def test_problems(store: ConfigStore) -> None:
    assert store.problems() == []
    store.save_gateway(gateway("lost", on="nowhere", owner="o"))
    store.save_gateway(replace(gateway("h", owner="o"), email="h@forbidden.example"))
    store.save_gateway(gateway("i", owner="o", shared=True))
    (store.root / "default-gateway").write_text("gone\n")
    (store.root / "config.toml").write_text('[limits]\ngateways_per_owner = 1\nallowed_domains = ["example.org"]\n')
    assert {(problem.name, problem.key) for problem in ConfigStore(store.root).problems()} == {
        ("lost", "server"),
        ("h", "email"),
        ("lost", "owner"),
        ("", ""),
    }
    (store.root / "config.toml").write_text("jobs = many")
    with pytest.raises(ConfigError, match=r"config\.toml"):
        _ = ConfigStore(store.root).settings


def writer(root: str, name: str, start: Any) -> None:
    store = ConfigStore(Path(root))
    start.wait(30)
    for order in range(20):
        store.save_gateway(gateway("g", order=order, owner=name * 200))
        with store.locked():
            store.save_gateway(replace(gateway(f"{name}{order}"), order=len(store.gateway_names())))


def test_two_at_once_never_mix(store: ConfigStore) -> None:
    processes = multiprocessing.get_context("spawn")
    start = processes.Event()
    workers = [processes.Process(target=writer, args=(str(store.root), name, start)) for name in "ab"]
    for worker in workers:
        worker.start()
    start.set()
    while any(worker.is_alive() for worker in workers):
        assert len(set(store.gateway("g").owner)) <= 1
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    listing = store.gateways()
    assert listing.problems == []
    assert sorted(each.order for each in listing.objects if each.name != "g") == list(range(1, 41))


def test_1000_gateways_are_listed_and_one_is_read_alone(store: ConfigStore, monkeypatch: pytest.MonkeyPatch) -> None:
    text = store.gateway_path("g").read_text()
    for number in range(1000):
        store.gateway_path(f"g{number}").write_text(text)
    assert len(store.gateways().objects) == 1001
    read: list[Path] = []
    real = files.read

    def noted(path: Path) -> files.Content:
        read.append(path)
        return real(path)

    monkeypatch.setattr(files, "read", noted)
    store.gateway("g7")
    store.save_gateway(gateway("g8", order=3))
    assert {path.name for path in read} == {"g7.toml", "g8.toml", ".renaming"}


def test_what_holds_in_the_end() -> None:
    policy = CertificatePolicy(ca_file="/ca", verify=False)
    base = replace(server(), certificate=policy)
    settings = Settings(Limits(minimum_tls="1.3"), inbound=Inbound(interval=60, mark_seen=True))
    found = effective(
        gateway(inbound=Inbound(interval=5)), base, settings, Inbound(mark_seen=False), Outbound(upload_sent=False)
    )
    assert (found.inbound.interval, found.inbound.mark_seen, found.inbound.keep_on_server) == (5, False, True)
    assert found.outbound.upload_sent is False
    assert found.endpoint(Protocol.IMAP).certificate == replace(policy, minimum_tls="1.3")
    assert found.protocols == (Protocol.IMAP, Protocol.SMTP)
    with pytest.raises(ConfigError, match="no POP3 endpoint"):
        found.endpoint(Protocol.POP3)
    pop3 = replace(base, endpoints={Protocol.POP3: IMAP})
    assert effective(gateway(), pop3, Settings()).protocols == (Protocol.POP3,)
    assert effective(gateway(inbound=Inbound(enabled=False)), base, Settings()).protocols == (Protocol.SMTP,)
