"""`mailctl watch` on a real Dovecot."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.support.certificates import Certificates
from tests.servers.support.dovecot import Dovecot
from tests.servers.support.dovecot_config import DovecotSettings
from tests.servers.support.mailbox import Mailbox
from tests.servers.syncing import SyncHome
from tests.servers.watching import ROOT, Watch, until, watching

IDLE = DovecotSettings(without=("NOTIFY",))


def mail(number: int) -> bytes:
    return f"Subject: {number}\r\n\r\nhello\r\n".encode()


@pytest.fixture
def home(tmp_path: Path, mailbox: Mailbox, certificates: Certificates) -> SyncHome:
    return SyncHome(tmp_path, mailbox, certificates)


@pytest.fixture
def own(tmp_path: Path, make_dovecot: Callable[[DovecotSettings], Dovecot], certificates: Certificates) -> SyncHome:
    """A home on a server of the test's own, which knows IDLE and no NOTIFY."""
    server = make_dovecot(IDLE)
    return SyncHome(tmp_path, Mailbox(server, server.new_user()), certificates)


def sign_ins(home: SyncHome) -> int:
    log = home.mailbox.server.log()
    return log.count(f"Login: user=<{home.mailbox.user}>")


def here(home: SyncHome, *parts: str) -> int:
    return len(home.folder(*(parts or ("INBOX",))))


def watched(home: SyncHome) -> dict[str, object]:
    (row,) = home.cli.json("status")["result"]
    return dict(row["watch"] or {})


def test_news_of_any_folder_come_by_notify(home: SyncHome, mailbox: Mailbox) -> None:
    with watching(home.cli.env, "box") as watch:
        assert watch.wait_for("watch.waiting")["result"]["fields"] == {"how": "notify"}
        before = sign_ins(home)
        mailbox.deliver("INBOX", mail(1))
        watch.wait_for("watch.synced")
        assert here(home) == 1
        mailbox.deliver("Junk", mail(2))
        watch.wait_for("watch.synced", 2)
        assert here(home, "Junk") == 1
        mailbox.set_flags("INBOX", 1, ["\\Seen"])
        until(lambda: home.folder("INBOX")[0].flags == {"\\Seen"})
        assert sign_ins(home) == before == 1, "all over one connection"
    home.assert_equals_server()


def test_news_come_by_idle(own: SyncHome) -> None:
    with watching(own.cli.env, "box") as watch:
        assert watch.wait_for("watch.waiting")["result"]["fields"] == {"how": "idle"}
        for number in range(3):
            own.mailbox.deliver("INBOX", mail(number))
            watch.wait_for("watch.synced", number + 1)
        assert sign_ins(own) == 1
    own.assert_equals_server()


def test_what_nobody_tells_of_is_looked_at_at_the_interval(own: SyncHome) -> None:
    """Other folders than the inbox with IDLE, and all of a POP3 gateway."""
    path = own.cli.config / "gateways/pop.toml"
    own.set_inbound('interval = "10s"\nprotocol = "pop3"')
    path.touch(mode=0o600)
    path.write_text((own.cli.config / "gateways/box.toml").read_text())
    own.set_inbound('interval = "10s"')
    with watching(own.cli.env, "--all") as watch:
        assert watch.wait_for("watch.waiting", gateway="pop")["result"]["fields"] == {"how": "poll"}
        assert watch.wait_for("watch.waiting", gateway="box")["result"]["fields"] == {"how": "idle"}
        own.mailbox.deliver("Junk", mail(1))
        own.mailbox.deliver("INBOX", mail(2))
        until(lambda: (own.cli.data / "mail/pop/INBOX").exists() and (own.mail / "Junk").exists())
        until(lambda: len(list((own.cli.data / "mail/pop/INBOX").glob("*/*_*"))) == 1)
        until(lambda: here(own, "Junk") == 1)


def test_local_changes_of_a_mirror_go_up(home: SyncHome, mailbox: Mailbox) -> None:
    home.set_inbound('mode = "mirror"')
    mailbox.deliver("INBOX", mail(1))
    with watching(home.cli.env, "box") as watch:
        watch.wait_for("watch.waiting")
        (file,) = (home.mail / "INBOX").glob("*/*_*")
        file.rename(home.mail / "INBOX/cur" / f"{file.name.partition(':')[0]}:2,FS")
        until(lambda: mailbox.messages()[0].flags == {"\\Seen", "\\Flagged"})
        until(lambda: watched(home)["state"] == "notify")
        time.sleep(7)  # a look at the Maildir, and more
        assert syncs(home) <= 5, "it is at rest"
        assert sign_ins(home) == 1


def test_a_sync_of_its_own_does_not_wake_it_for_ever(home: SyncHome, mailbox: Mailbox) -> None:
    home.set_inbound("mark_seen = true")
    with watching(home.cli.env, "box") as watch:
        watch.wait_for("watch.waiting")
        mailbox.deliver("INBOX", mail(1))
        watch.wait_for("watch.synced")
        until(lambda: watched(home)["state"] == "notify")
        count = syncs(home)
        time.sleep(4)
        assert syncs(home) <= count + 2


def syncs(home: SyncHome) -> int:
    found = home.cli.json("log", "--limit", "10000")["result"]
    return sum(event["event"] == "sync.started" for event in found)


def test_a_server_that_is_restarted_and_one_that_is_gone(own: SyncHome) -> None:
    server = own.mailbox.server
    with watching(own.cli.env, "box") as watch:
        watch.wait_for("watch.waiting")
        server.stop()
        watch.wait_for("watch.failed", 2)
        assert watched(own)["error"]
        server.start_again()
        watch.wait_for("watch.waiting", 2)
        own.mailbox.deliver("INBOX", mail(1))
        watch.wait_for("watch.synced")
    own.assert_equals_server()


def test_a_password_that_was_changed_is_tried_once(own: SyncHome) -> None:
    server, user = own.mailbox.server, own.mailbox.user
    with watching(own.cli.env, "box") as watch:
        watch.wait_for("watch.waiting")
        server.add_user(user, "another-pw")
        server.doveadm("kick", user)
        told = watch.wait_for("watch.stopped")
        assert (told["ok"], told["error"]["exit_code"]) == (False, 7)
        until(lambda: watched(own)["state"] == "stopped")
        time.sleep(3)
        assert refusals(own) == 1
        assert sign_ins(own) == 1
        own.password.write_text("another-pw")
        watch.send(signal.SIGHUP)
        watch.wait_for("watch.waiting", 2)
    assert refusals(own) == 1
    assert [event["event"] for event in own.cli.json("log", "--level", "error")["result"]].count("watch.stopped") == 1


def refusals(home: SyncHome) -> int:
    return sum(
        "auth failed" in line and f"<{home.mailbox.user}>" in line for line in home.mailbox.server.log().splitlines()
    )


def test_sighup_reads_the_configuration_again(home: SyncHome, mailbox: Mailbox) -> None:
    gateways = home.cli.config / "gateways"
    with watching(home.cli.env, "--all") as watch:
        watch.wait_for("watch.waiting", gateway="box")
        text = (gateways / "box.toml").read_text()
        (gateways / "more.toml").write_text(text)
        (gateways / "more.toml").chmod(0o600)
        watch.send(signal.SIGHUP)
        watch.wait_for("watch.waiting", gateway="more")
        until(lambda: [row["watch"]["state"] for row in home.cli.json("status")["result"]] == ["notify", "notify"])
        (gateways / "more.toml").write_text("broken")
        watch.send(signal.SIGHUP)
        assert watch.wait_for("watch.reloaded", 2)["result"]["fields"]["gateways"] == ["box", "more"]
        home.cli.ok("gateway", "disable", "box")
        (gateways / "more.toml").unlink()
        watch.send(signal.SIGHUP)
        assert watch.wait_for("watch.reloaded", 3)["result"]["fields"]["gateways"] == []
        assert sign_ins(home) == 2
    assert any("more" in line for line in watch.errors)


def test_sigterm_in_the_middle_of_a_sync_ends_after_the_step_in_hand(home: SyncHome, mailbox: Mailbox) -> None:
    mailbox.deliver_many("INBOX", [f"Subject: {n}\r\n\r\n{'x' * 20000}\r\n".encode() for n in range(1500)])
    watch = Watch(home.cli.env, "box")
    until(lambda: any(home.mail.glob("INBOX/*/*")))
    assert watch.end() == 0
    assert watch.events()[-1] == "watch.ended"
    assert not any(home.mail.glob("*/tmp/*"))
    home.sync()
    home.assert_equals_server()


def test_ctrl_c_ends_with_130(home: SyncHome) -> None:
    watch = Watch(home.cli.env, "box")
    watch.wait_for("watch.waiting")
    assert watch.end(signal.SIGINT) == 130
    assert watch.lines[-1]["error"]["code"] == "interrupted"


def test_people_get_a_line_an_event(home: SyncHome, mailbox: Mailbox) -> None:
    mailbox.deliver("INBOX", mail(1))
    watch = Watch(home.cli.env, "box", json=False)
    until(lambda: any("waiting for news of all folders" in line for line in watch.errors))
    assert watch.end() == 0
    assert watch.lines == []
    said = [line.split(" ", 1)[1].strip() for line in watch.errors]
    assert said[0] == "watch: watching 1 gateway"
    assert said[1].startswith("box: 1 fetched in ")
    assert said[-1] == "watch: ended"


def test_a_reader_who_leaves_ends_it(home: SyncHome) -> None:
    argv = [sys.executable, "-m", "mailctl", "watch", "box", "--json"]
    with subprocess.Popen(
        argv, env=home.cli.env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 130


def test_a_second_watch_of_the_same_gateway_is_refused(home: SyncHome) -> None:
    with watching(home.cli.env, "box") as watch:
        watch.wait_for("watch.waiting")
        refused = home.cli.run("watch", "box")
        assert refused.code == 10
        assert f"by process {watch.process.pid} on" in refused.err
        assert home.cli.run("gateway", "rename", "box", "other").code == 10
        home.sync()
    assert home.cli.json("status")["result"][0]["watch"] is None
    assert list((home.cli.state / "watch").iterdir()) == []


def test_a_watch_that_was_killed_is_seen_to_be_dead(home: SyncHome) -> None:
    watch = Watch(home.cli.env, "box")
    watch.wait_for("watch.waiting")
    until(lambda: watched(home).get("state") == "notify")
    watch.end(signal.SIGKILL)
    assert watched(home)["state"] == "dead"
    with watching(home.cli.env, "box") as again:
        again.wait_for("watch.waiting")
        until(lambda: watched(home)["state"] == "notify")


def test_a_command_runs_once_after_a_batch_of_changes(home: SyncHome, mailbox: Mailbox, tmp_path: Path) -> None:
    script = tmp_path / "after changes"
    script.write_text('#!/bin/sh\necho "$MAILCTL_GATEWAYS|$1|${S3CRET-none}" >> "$0.log"\n')
    script.chmod(0o700)
    path = home.cli.config / "gateways/box.toml"
    path.write_text(path.read_text().replace(f'file = "{home.password}"', 'env = "S3CRET"'))
    env = {**home.cli.env, "S3CRET": mailbox.password}
    with watching(env, "box", "--exec", f"'{script}' 'a b;c'") as watch:
        watch.wait_for("watch.waiting")
        mailbox.deliver_many("INBOX", [mail(n) for n in range(20)])
        watch.wait_for("watch.command.done")
        assert Path(f"{script}.log").read_text() == "box|a b;c|none\n"


def test_a_hundred_gateways_in_one_process(
    tmp_path: Path, make_dovecot: Callable[[DovecotSettings], Dovecot], certificates: Certificates
) -> None:
    """Each with a connection that waits; what one costs is bounded."""
    count = 100
    server = make_dovecot(DovecotSettings(extra="service imap-login {\nservice_count = 0\n}\n"))
    users = [server.new_user() for _ in range(count)]
    home = SyncHome(tmp_path, Mailbox(server, users[0]), certificates)
    text = (home.cli.config / "gateways/box.toml").read_text()
    for user in users[1:]:
        password = tmp_path / f"{user}.password"
        password.touch(mode=0o600)
        password.write_text(server.passwords[user])
        more = text.replace(f'"{users[0]}', f'"{user}').replace(str(home.password), str(password))
        path = home.cli.config / f"gateways/{user}.toml"
        path.touch(mode=0o600)
        path.write_text(more)
    with watching(home.cli.env, "--all") as watch:
        watch.wait_for("watch.waiting", count)
        server.deliver(users[-1], "INBOX", mail(1))
        assert watch.wait_for("watch.synced")["result"]["gateway"] == users[-1]
        status = Path(f"/proc/{watch.process.pid}/status").read_text()
        (kib,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")]
        assert kib < 90 * 1024, "KiB"  # 57 MiB on CPython 3.11
