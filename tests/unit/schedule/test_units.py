"""The texts of the units, and what goes into them."""

import pytest

from mailctl.errors import UsageError
from mailctl.schedule.units import names, units
from mailctl.schedule.wanted import Wanted, kept_environment

MAILCTL = ("/usr/bin/mailctl",)


def test_a_timer_and_its_service() -> None:
    texts = units(Wanted(MAILCTL, (), 900))
    assert list(texts) == ["mailctl-sync.service", "mailctl-sync.timer"]
    assert 'ExecStart=:"/usr/bin/mailctl" "sync" "--all" "--no-input"\n' in texts["mailctl-sync.service"]
    assert "OnUnitInactiveSec=900s\n" in texts["mailctl-sync.timer"]
    assert "RandomizedDelaySec=45s\n" in texts["mailctl-sync.timer"]


def test_a_watch_that_is_never_restarted_into_a_lock_out() -> None:
    ((name, text),) = units(Wanted(MAILCTL, ("work",), None, "notmuch new")).items()
    assert name == "mailctl-watch.service"
    assert 'ExecStart=:"/usr/bin/mailctl" "watch" "work" "--no-input" "--exec" "notmuch new"\n' in text
    (codes,) = [line.partition("=")[2] for line in text.splitlines() if line.startswith("RestartPreventExitStatus")]
    assert {"4", "7", "11"} <= set(codes.split())


def test_programs_of_the_user_keep_their_rights() -> None:
    """`op` is set-group-id, for one: NoNewPrivileges would break it."""
    assert "NoNewPrivileges=yes" in "".join(units(Wanted(MAILCTL, (), 900)).values())
    assert "NoNewPrivileges" not in "".join(units(Wanted(MAILCTL, (), 900, commands=True)).values())


def test_quoting() -> None:
    text = units(Wanted(('/a b/m"x',), ("$x",), 900, environment={"A": "\\ %h"}))["mailctl-sync.service"]
    assert 'ExecStart=:"/a b/m\\"x" "sync" "$x" "--no-input"\n' in text
    assert 'Environment="A=\\\\ %%h"\n' in text
    with pytest.raises(UsageError):
        units(Wanted(("/a\nExecStart=/bin/evil",), (), 900))


def test_only_what_is_needed_of_the_environment() -> None:
    env = {"XDG_STATE_HOME": "/s", "PATH": "/bin", "X_PASSWORD": "secret", "GNUPGHOME": "/g", "MAILCTL_STATE_DIR": ""}
    assert kept_environment(env, "/c", "", commands=False) == {"XDG_STATE_HOME": "/s", "MAILCTL_CONFIG_DIR": "/c"}
    assert kept_environment(env, "", "", commands=True) == {"XDG_STATE_HOME": "/s", "PATH": "/bin", "GNUPGHOME": "/g"}


def test_configurations_have_names_of_their_own() -> None:
    assert not set(names("")) & set(names("1234abcd"))
