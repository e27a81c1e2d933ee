"""Keeping tokens: renewed in time, once, and never lost."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Lock, Semaphore

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.domain.gateway import SecretSource, SourceKind
from mailctl.domain.oauth import Grant, HttpAnswer, Token
from mailctl.domain.secret import BearerToken, Secret
from mailctl.errors import AuthError, LockedError, MailctlError, NetworkError, SecretError, StorageError
from mailctl.secrets.keyring import WAYS_ON, Entry
from mailctl.secrets.memory import MemoryKeyring
from mailctl.secrets.oauth.kept import from_text, to_text
from mailctl.secrets.oauth.tokens import Turn
from mailctl.secrets.private import locked
from tests.unit.oauth.support import LOGIN, OAUTH, Form, Kept, answer, error, with_grant


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def test_a_token_is_used_as_long_as_it_is_good_and_renewed_before_its_end(kept: Kept) -> None:
    kept.sign_in()
    assert kept.get() == "access-0"
    kept.clock.pass_(minutes=54)
    assert kept.get() == "access-0"
    kept.clock.pass_(minutes=2)
    assert kept.get() == "access-1"
    assert kept.server.forms == [{"grant_type": "refresh_token", "refresh_token": "refresh-0", "client_id": "client-1"}]
    token = kept.tokens.kept("work", LOGIN, OAUTH)
    assert token is not None
    assert token.refresh_token == Secret("refresh-1")
    assert token.scopes == ("mail",)
    assert kept.ring.names == [("mailctl:work", "login:oauth")]


def test_a_refresh_token_that_does_not_rotate_stays(kept: Kept) -> None:
    before = kept.sign_in(refresh_expires=kept.clock() + timedelta(days=90))
    kept.server.rotate = False
    kept.clock.pass_(hours=2)
    assert kept.get() == "access-1"
    token = kept.tokens.kept("work", LOGIN, OAUTH)
    assert token is not None
    assert (token.refresh_token, token.refreshed) == (before.refresh_token, before.refreshed)
    assert token.refresh_expires == before.refresh_expires


def test_a_day_of_expiries(kept: Kept) -> None:
    kept.sign_in()
    for _ in range(24 * 4):
        kept.clock.pass_(minutes=15)
        kept.get()
    assert len(kept.server.forms) == 24
    assert [form["refresh_token"] for form in kept.server.forms] == [f"refresh-{number}" for number in range(24)]


def test_tokens_that_live_as_short_as_they_are_renewed_early_are_used_for_four_fifths_of_it(kept: Kept) -> None:
    kept.sign_in()
    kept.server.lifetime = 300
    kept.clock.pass_(hours=2)
    assert [kept.get() for _ in range(3)] == ["access-1"] * 3
    kept.clock.pass_(seconds=239)
    assert kept.get() == "access-1"
    kept.clock.pass_(seconds=2)
    assert kept.get() == "access-2"


def test_nobody_signed_in_is_said_with_the_way_to(kept: Kept) -> None:
    with pytest.raises(SecretError) as caught:
        kept.get()
    assert caught.value.code == "oauth_not_signed_in"
    assert "mailctl auth login work" in caught.value.hint


def test_a_sign_in_by_another_application_does_not_count(kept: Kept) -> None:
    kept.sign_in()
    kept.application = replace(kept.application, client_id="client-2")
    with pytest.raises(SecretError) as caught:
        kept.get()
    assert caught.value.code == "oauth_not_signed_in"
    assert kept.server.forms == []


def test_F7_two_that_refresh_at_once_make_one_refresh(kept: Kept) -> None:
    kept.sign_in()
    kept.clock.pass_(hours=2)
    tokens = [kept.other_process() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda each: each.access_token("work", LOGIN, OAUTH).reveal(), tokens))
    assert found == ["access-1"] * 8
    assert len(kept.server.forms) == 1


def test_F7_the_other_one_is_waited_for_no_longer_than_may_be(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailctl.secrets.oauth.tokens.WAIT", 0.1)
    kept.sign_in()
    kept.clock.pass_(hours=2)
    with locked(kept.folder / "locks" / "work.login.lock", what="it"), pytest.raises(LockedError):
        kept.get()


def test_F6_an_exchange_has_its_time_however_long_others_were_waited_for(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailctl.secrets.oauth.tokens.WAIT", 10.0)
    kept.sign_in()
    kept.clock.pass_(hours=2)
    assert kept.get() == "access-1"
    assert kept.server.left[0] > 30  # what the poster grants


class Door:
    """A lock that counts who is at it."""

    def __init__(self) -> None:
        self.there, self._lock = Semaphore(0), Lock()
        self.release = self._lock.release

    def acquire(self, timeout: float) -> bool:
        self.there.release()
        return self._lock.acquire(timeout=timeout)


def test_F7_threads_that_ask_at_once_fail_as_the_one_that_asked(tmp_path: Path) -> None:
    application = with_grant(Grant.CLIENT_CREDENTIALS, client_secret=SecretSource(SourceKind.ENV, ("X",)))
    kept, door, turn = Kept(tmp_path, application), Door(), Turn()
    turn.lock = door  # type: ignore[assignment]  # it has what is used of a lock
    kept.tokens._turns["work.login"] = turn

    def refuse(url: str, form: Form) -> HttpAnswer:
        assert all(door.there.acquire(timeout=30) for _ in range(4))
        return error("unauthorized_client")

    def ask(_: int) -> MailctlError:
        with pytest.raises(AuthError) as caught:
            kept.get()
        return caught.value

    kept.server.reply = refuse
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, range(4)))
    assert {fault.cause for fault in found} == {"app_config"}
    assert len(kept.server.forms) == 1
    kept.server.reply = kept.server.tokens
    assert kept.get() == "access-2"


def test_F8_a_sign_in_that_has_ended_is_asked_about_once(kept: Kept) -> None:
    kept.sign_in()
    kept.clock.pass_(hours=2)
    kept.server.reply = lambda url, form: error("invalid_grant", "Token has been expired or revoked.")
    for _ in range(3):
        with pytest.raises(SecretError) as caught:
            kept.get()
        assert (caught.value.code, caught.value.cause) == ("oauth_expired", "token_expired")
        assert caught.value.server_text == "invalid_grant: Token has been expired or revoked."
        assert "mailctl auth login work" in caught.value.hint
    assert len(kept.server.forms) == 1
    refused = kept.other_process().kept("work", LOGIN, OAUTH)
    assert refused is not None
    assert (refused.refused, refused.refresh_token) == (kept.clock(), Secret("refresh-0"))
    kept.sign_in(refresh_token=Secret("another"))
    kept.server.reply = kept.server.tokens
    kept.clock.pass_(hours=2)
    assert kept.get() == "access-2"


def test_F11_a_token_that_was_refused_and_not_renewed_is_given_to_no_other_program(kept: Kept) -> None:
    kept.sign_in()
    kept.server.reply = lambda url, form: error("invalid_grant")
    with pytest.raises(SecretError):
        kept.get(fresh=True)
    with pytest.raises(SecretError) as caught:
        kept.other_process().access_token("work", LOGIN, OAUTH)
    assert caught.value.code == "oauth_expired"
    kept.server.reply = kept.server.tokens
    assert kept.other_process().access_token("work", LOGIN, OAUTH).reveal() == "access-3"


def test_F8_a_sign_in_that_is_renewed_after_all_has_not_ended(kept: Kept) -> None:
    kept.sign_in(refused=kept.clock())
    kept.clock.pass_(hours=2)
    assert kept.get() == "access-1"
    renewed = kept.tokens.kept("work", LOGIN, OAUTH)
    assert renewed is not None
    assert renewed.refused is None


def test_F11_a_refused_token_is_renewed_once(kept: Kept) -> None:
    kept.sign_in()
    assert kept.get(fresh=True) == "access-1"
    assert kept.get(fresh=True) == "access-1"
    assert kept.other_process().access_token("work", LOGIN, OAUTH).reveal() == "access-1"
    kept.clock.pass_(minutes=2)
    assert kept.get(fresh=True) == "access-2"
    assert len(kept.server.forms) == 2


def test_F11_processes_that_were_refused_one_token_renew_it_once(kept: Kept) -> None:
    refused = kept.sign_in().access_token.digest
    processes = [kept.other_process() for _ in range(6)]
    found = {each.access_token("work", LOGIN, OAUTH, refused=refused).reveal() for each in processes}
    assert found == {"access-1"}
    assert len(kept.server.forms) == 1


def test_no_refresh_token_is_an_end_too(kept: Kept) -> None:
    kept.sign_in(refresh_token=None)
    assert kept.get() == "access-0"
    kept.clock.pass_(hours=2)
    with pytest.raises(SecretError) as caught:
        kept.get()
    assert caught.value.code == "oauth_expired"


@pytest.mark.parametrize(("status", "code"), [(503, "oauth_unavailable"), (200, "oauth_answer")])
def test_a_server_that_is_not_well_costs_nothing_while_the_token_is_good(kept: Kept, status: int, code: str) -> None:
    kept.sign_in()
    kept.server.reply = lambda url, form: answer(b"<html>", status, "text/html")
    kept.clock.pass_(minutes=57)
    assert kept.get() == "access-0"
    kept.clock.pass_(minutes=4)
    with pytest.raises(MailctlError) as caught:
        kept.get()
    assert caught.value.code == code


def test_what_is_kept_and_no_token_is_told_with_the_gateway(kept: Kept) -> None:
    kept.ring.set("mailctl:work", "login:oauth", Secret("rubbish"))
    with pytest.raises(SecretError) as caught:
        kept.get()
    assert (caught.value.code, "`mailctl auth login work`" in caught.value.hint) == ("oauth_unreadable", True)


def test_a_keyring_that_does_not_answer_is_said_with_the_ways_of_tokens(tmp_path: Path) -> None:
    class Locked(MemoryKeyring):
        def get(self, service: str, user: str) -> Entry:
            raise SecretError("The keyring is locked", hint=WAYS_ON, code="keyring_locked")

    locked = Kept(tmp_path, ring=Locked())
    for call in (locked.get, lambda: locked.tokens.kept("work", LOGIN, SecretSource(SourceKind.OAUTH, ("sso",)))):
        with pytest.raises(SecretError) as caught:
            call()
        assert "mailctl gateway edit work --oauth '" in caught.value.hint
        assert "password" not in caught.value.hint
    assert "'sso' --encrypted" in caught.value.hint


class Nowhere(MemoryKeyring):
    """A machine without a keyring."""

    def get(self, service: str, user: str) -> Entry:
        raise SecretError("There is no keyring here", code="keyring_none")

    def set(self, service: str, user: str, secret: Secret) -> str:
        raise SecretError("There is no keyring here", code="keyring_none")

    def delete(self, service: str, user: str) -> bool:
        raise SecretError("There is no keyring here", code="keyring_none")


def test_a_token_that_can_be_had_at_any_time_needs_no_keyring(tmp_path: Path) -> None:
    application = with_grant(Grant.CLIENT_CREDENTIALS, client_secret=SecretSource(SourceKind.ENV, ("X",)))
    kept = Kept(tmp_path, application, Nowhere())
    assert [kept.get(), kept.get()] == ["access-1", "access-1"]
    held = kept.tokens.kept("work", LOGIN, OAUTH, again=True)
    assert held is not None
    assert held.expires == kept.clock() + timedelta(hours=1)
    kept.clock.pass_(hours=2)
    assert kept.get() == "access-2"
    assert kept.other_process().access_token("work", LOGIN, OAUTH).reveal() == "access-3"


def test_a_token_that_can_be_had_at_any_time_is_kept_where_that_can_be(tmp_path: Path) -> None:
    application = with_grant(Grant.CLIENT_CREDENTIALS, client_secret=SecretSource(SourceKind.ENV, ("X",)))
    kept = Kept(tmp_path, application)
    assert kept.get() == "access-1"
    assert kept.other_process().access_token("work", LOGIN, OAUTH).reveal() == "access-1"
    assert kept.ring.names == [("mailctl:work", "login:oauth")]


class Dies(MemoryKeyring):
    """A keyring in whose n-th call that changes it (before it, or after) the process ends."""

    def __init__(self) -> None:
        super().__init__()
        self.left: int | None = None
        self.torn = False

    def set(self, service: str, user: str, secret: Secret) -> str:
        self._step()
        if self.left is not None and self.left == 0 and self.torn:
            super().set(service, user, Secret(secret.reveal()[: len(secret.reveal()) // 2]))
        else:
            super().set(service, user, secret)
        self._step()
        return self.backend

    def delete(self, service: str, user: str) -> bool:
        self._step()
        found = super().delete(service, user)
        self._step()
        return found

    def _step(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("step", range(8))
def test_F6_a_process_that_ends_in_a_rotation_loses_nothing(tmp_path: Path, step: int, torn: bool) -> None:
    ring = Dies()
    kept = Kept(tmp_path, ring=ring)
    kept.sign_in()
    kept.clock.pass_(hours=2)
    ring.left, ring.torn = step, torn
    with pytest.raises(KeyboardInterrupt):
        kept.get()
    ring.left = None
    after = kept.other_process().access_token("work", LOGIN, OAUTH).reveal()
    # where it ended before the new one was whole, the old one is all there is; there alone it is used again
    asked = step > 1  # before, it was tried whether a token can be kept
    lost = step < 3 or (step == 3 and torn)
    assert after == ("access-2" if lost and asked else "access-1")
    assert [form["refresh_token"] for form in kept.server.forms] == ["refresh-0"] * (asked + lost)
    kept.clock.pass_(hours=2)
    kept.get()
    assert kept.server.forms[-1]["refresh_token"] == after.replace("access", "refresh")
    assert ring.names == [("mailctl:work", "login:oauth")]


def test_F6_a_keyring_that_takes_nothing_is_found_out_before_the_old_token_is_used_up(tmp_path: Path) -> None:
    ring = MemoryKeyring()
    kept = Kept(tmp_path, ring=ring)
    kept.sign_in()
    kept.clock.pass_(hours=2)

    def full(service: str, user: str, secret: Secret) -> str:
        raise StorageError("No space left on device")

    ring.set = full  # type: ignore[method-assign]  # as the disk has it
    with pytest.raises(StorageError):
        kept.get()
    assert kept.server.forms == []
    kept.clock.pass_(hours=-1, minutes=-3)  # the token is still good for a while
    assert kept.get() == "access-0"


@pytest.mark.parametrize(("fails", "kept_whole"), [(1, True), (2, True), (3, False)])
def test_F6_a_keyring_that_fails_after_the_answer_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: int, kept_whole: bool
) -> None:
    monkeypatch.setattr("mailctl.secrets.oauth.tokens.PAUSES", (0.0, 0.0))
    ring = MemoryKeyring()
    kept = Kept(tmp_path, ring=ring)
    kept.sign_in()
    kept.clock.pass_(hours=2)
    left = iter([False] + [True] * fails)  # the trial before the request goes well
    put = ring.set

    def crash(service: str, user: str, secret: Secret) -> str:
        if next(left, False):
            raise SecretError("The keyring's backend crashed")
        return put(service, user, secret)

    ring.set = crash  # type: ignore[method-assign]  # as a daemon has it
    if kept_whole:
        assert kept.get() == "access-1"
        assert kept.get() == "access-1"
    else:
        with pytest.raises(SecretError, match="backend crashed") as caught:
            kept.get()
        assert caught.value.code == "oauth_not_kept"
        assert "auth login work" in caught.value.hint
    assert len(kept.server.forms) == 1


@pytest.mark.parametrize("hours", [-24 * 365, -2])
def test_a_clock_that_was_set_back_does_not_make_a_token_last(kept: Kept, hours: float) -> None:
    kept.sign_in(issued=kept.clock())
    kept.clock.pass_(hours=hours)
    assert kept.get() == "access-1"
    assert kept.get() == "access-1"


@pytest.mark.parametrize("minutes", [-4, 4])
def test_a_clock_that_differs_by_minutes_does_no_harm(kept: Kept, minutes: float) -> None:
    kept.sign_in(issued=kept.clock())
    kept.clock.pass_(minutes=minutes)
    assert kept.get() == "access-0"
    kept.clock.pass_(minutes=55)
    assert kept.get() == ("access-0" if minutes < 0 else "access-1")


def test_another_that_takes_long_costs_nothing_while_the_token_is_good(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailctl.secrets.oauth.tokens.WAIT", 0.1)
    kept.sign_in()
    kept.clock.pass_(minutes=57)
    with locked(kept.folder / "locks" / "work.login.lock", what="it"):
        assert kept.get() == "access-0"


class Forgetful(MemoryKeyring):
    """Gives back less than it was given."""

    def get(self, service: str, user: str) -> Entry:
        entry = super().get(service, user)
        return replace(entry, secret=Secret(entry.secret.reveal()[:-5])) if entry.secret else entry


def test_F6_a_keyring_that_does_not_keep_a_token_whole_is_found_out(tmp_path: Path) -> None:
    kept = Kept(tmp_path, ring=Forgetful())
    with pytest.raises(SecretError) as caught:
        kept.sign_in()
    assert caught.value.code == "keyring_refused"


def test_what_is_forgotten_is_handed_out_for_its_revocation(kept: Kept) -> None:
    token = kept.sign_in()
    assert kept.tokens.forget("work", LOGIN, OAUTH) == token
    assert kept.tokens.forget("work", LOGIN, OAUTH) is None
    assert kept.ring.names == []
    kept.ring.set("mailctl:work", "login:oauth", Secret("no token"))
    with pytest.raises(SecretError, match="is none"):
        kept.tokens.kept("work", LOGIN, OAUTH)
    assert kept.tokens.forget("work", LOGIN, OAUTH) is None
    assert kept.ring.names == []


def test_an_application_that_needs_nobody_fetches_its_tokens(tmp_path: Path) -> None:
    application = with_grant(Grant.CLIENT_CREDENTIALS, client_secret=SecretSource(SourceKind.ENV, ("X",)))
    kept = Kept(tmp_path, application)
    assert [kept.get(), kept.get()] == ["access-1", "access-1"]
    kept.clock.pass_(hours=2)
    assert kept.get() == "access-2"
    assert kept.server.forms[-1]["grant_type"] == "client_credentials"
    kept.ring.set("mailctl:work", "login:oauth", Secret("broken"))
    assert kept.get() == "access-3"


def test_errors_of_another_kind_are_passed_on(kept: Kept) -> None:
    kept.sign_in()
    kept.clock.pass_(hours=2)
    for reply, kind, cause in (
        (error("invalid_client", status=401), AuthError, "client_secret_invalid"),
        (error("interaction_required"), AuthError, "interaction_required"),
        (error("server_error", status=500), NetworkError, "provider_fault"),
    ):
        kept.server.reply = lambda url, form, reply=reply: reply  # type: ignore[misc]  # bound at once
        with pytest.raises(MailctlError) as caught:
            kept.get()
        assert isinstance(caught.value, kind)
        assert caught.value.cause == cause


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
TIMES = st.none() | st.datetimes(timezones=st.just(__import__("datetime").UTC)).map(lambda t: t.replace(microsecond=0))


@given(
    st.builds(
        Token,
        TEXTS.map(BearerToken),
        TIMES,
        st.lists(TEXTS, max_size=3).map(tuple),
        st.none() | TEXTS.filter(bool).map(Secret),
        TIMES,
        TIMES,
        TEXTS,
        TEXTS,
        TEXTS,
        TEXTS,
    )
)
def test_what_is_kept_comes_back(token: Token) -> None:
    assert from_text(to_text(token)) == token


@given(TEXTS | st.sampled_from(["[]", "{}", '{"version":2}', '{"version":1,"access_token":3}', "[" * 50_000]))
def test_what_is_no_token_is_an_error_that_does_not_quote_it(text: str) -> None:
    with pytest.raises(SecretError) as caught:
        from_text(Secret(text))
    assert caught.value.code == "oauth_unreadable"


def test_F11_a_token_that_a_server_refused_is_not_shown_again_while_no_other_can_be_had(kept: Kept) -> None:
    def unreachable(url: str, form: Form) -> HttpAnswer:
        raise NetworkError("id.example does not answer")

    kept.sign_in()
    kept.server.reply = unreachable
    for fresh in (True, False, False):
        with pytest.raises(NetworkError):
            kept.get(fresh=fresh)
    kept.server.reply = kept.server.tokens
    assert kept.get() == kept.get() == f"access-{len(kept.server.forms)}"
