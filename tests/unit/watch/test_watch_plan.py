"""What a watch does next with one gateway: the pure part."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.domain.heartbeat import WatchState
from mailctl.errors import AuthError, ConfigError, ExitCode, MailctlError, NetworkError, SafetyError, SecretError
from mailctl.sync.report import Failure
from mailctl.sync.watch import plan
from mailctl.sync.watch.plan import Ended, Standing, Step

HOWS = st.sampled_from([WatchState.NOTIFY, WatchState.IDLE, WatchState.POLL])
LUCK = st.floats(0, 1, exclude_max=True)
CUT = Failure.of(NetworkError("cut"))
LOCKED = Failure("locked", "box is in use", exit_code=ExitCode.STORAGE)
REFUSED = Failure("refused", "no", exit_code=ExitCode.REFUSED)
FINAL = [
    Failure.of(error)
    for error in (
        AuthError("no"),
        SecretError("none", code="secret_missing"),
        SafetyError("many"),
        ConfigError("broken"),
    )
]
ENDS = st.one_of(
    st.builds(Ended, HOWS, st.booleans(), st.booleans(), st.booleans(), st.sampled_from([None, REFUSED])),
    st.builds(Ended, st.none(), error=st.sampled_from([CUT, LOCKED, *FINAL])),
)


def waiting(t: float = 0.0, how: WatchState = WatchState.IDLE) -> Standing:
    return plan.ended(plan.started(plan.begin(t), t), t, Ended(how), 900.0, 0.5)


def test_it_begins_with_a_sync() -> None:
    assert plan.step(plan.begin(5.0), 5.0) is Step.SYNC


@given(HOWS, st.floats(1, 1e5))
def test_after_a_sync_it_waits_for_the_interval_at_most(how: WatchState, interval: float) -> None:
    standing = plan.ended(plan.started(plan.begin(0), 0), 10.0, Ended(how), interval, 0.0)
    assert standing.state is how
    due = 10.0 + max(interval, plan.SHORTEST_INTERVAL)
    assert standing.at == due
    assert plan.step(standing, due) is Step.SYNC
    assert plan.step(standing, 10.0) is Step.NOTHING


def test_waiting_is_begun_anew_before_29_minutes_have_passed() -> None:
    standing = plan.ended(plan.started(plan.begin(0), 0), 0, Ended(WatchState.IDLE), 1e6, 0.0)
    assert plan.wakes(standing) < 29 * 60
    assert plan.step(standing, plan.wakes(standing)) is Step.REFRESH
    again = plan.refreshed(standing, 1500.0, Ended(WatchState.IDLE), 0.0)
    assert again.at == standing.at, "the interval goes on"
    assert 1500 < plan.wakes(again) < 1500 + 29 * 60


def test_who_polls_has_nothing_to_begin_anew() -> None:
    assert waiting(how=WatchState.POLL).refresh_at == inf


def test_a_burst_of_news_is_one_sync_a_second_after_the_first() -> None:
    standing = waiting()
    for t in (20.0, 20.3, 20.9):
        standing = plan.news(standing, t)
    assert plan.step(standing, 20.9) is Step.NOTHING
    assert plan.step(standing, 21.0) is Step.SYNC


def test_news_that_bring_nothing_are_heard_ever_later_and_never_stop_being_heard() -> None:
    standing, t, rests = waiting(), 0.0, []
    for _ in range(12):
        standing = plan.news(standing, t)
        rests.append(standing.at - t)
        t = standing.at
        standing = plan.ended(plan.started(standing, t), t, Ended(WatchState.IDLE), 900.0, 0.5)
    assert rests == sorted(rests)
    assert rests[0] == plan.COALESCE
    assert rests[-1] == plan.LONGEST_COALESCE
    standing = plan.ended(plan.started(plan.news(standing, t), t), t, Ended(WatchState.IDLE, True), 900.0, 0.5)
    assert plan.news(standing, t).at - t == plan.COALESCE, "one that brought something makes it quick again"


def test_a_server_that_has_always_moved_on_is_not_asked_for_ever() -> None:
    standing, syncs = plan.begin(0.0), 0
    while standing.at < 900 and syncs < 1000:
        t = standing.at
        standing = plan.ended(plan.started(standing, t), t, Ended(WatchState.IDLE, moved_on=True), 900.0, 0.5)
        syncs += 1
    assert 2 <= syncs < 10


def test_what_nobody_will_tell_of_is_looked_for_once_more() -> None:
    standing = plan.ended(plan.started(plan.begin(0), 0), 0, Ended(WatchState.NOTIFY, True, once_more=True), 900, 0)
    assert standing.at == plan.COALESCE
    standing = plan.ended(plan.started(standing, 1), 1, Ended(WatchState.NOTIFY), 900.0, 0)
    assert (standing.at, standing.fruitless) == (901.0, 0)


@pytest.mark.parametrize("error", FINAL, ids=lambda error: error.exit_code.name)
def test_what_a_person_must_settle_is_never_tried_again(error: Failure) -> None:
    standing = plan.ended(plan.started(plan.begin(0), 0), 1.0, Ended(None, error=error), 900.0, 0.5)
    assert standing.state is WatchState.STOPPED
    assert standing.error is error
    for later in (2.0, 1e4, 1e9):
        assert plan.step(standing, later) is Step.NOTHING
        assert plan.step(plan.woke(plan.news(standing, later), later), later) is Step.NOTHING


@pytest.mark.parametrize(
    "said", ["NO [UNAVAILABLE] later", "-ERR [SYS/TEMP] later", "-ERR [IN-USE] busy", "NO [LIMIT] too many"]
)
def test_a_server_that_can_not_check_passwords_now_is_asked_again_in_a_minute(said: str) -> None:
    error = Failure.of(AuthError("refused", server_text=said))
    standing = plan.ended(plan.started(plan.begin(0), 0), 1.0, Ended(None, error=error), 900.0, 0.0)
    assert standing.state is WatchState.BACKING_OFF
    assert standing.at >= 61.0


@pytest.mark.parametrize("said", ["NO [AUTHENTICATIONFAILED] no", "-ERR [AUTH] no", "NO wrong [password]"])
def test_a_refused_password_is_refused(said: str) -> None:
    assert plan.final(Failure.of(AuthError("refused", server_text=said)))


@pytest.mark.parametrize("code", ["keyring_locked", "keyring_timeout", "keyring_none", "secret_command"])
def test_a_password_that_nobody_has_unlocked_yet_is_asked_for_again_not_too_often(code: str) -> None:
    error = Failure.of(SecretError("not now", code=code))
    standing = plan.begin(0.0)
    for _ in range(12):
        t = standing.at
        standing = plan.ended(plan.started(standing, t), t, Ended(None, error=error), 900.0, 0.99)
        assert standing.state is WatchState.BACKING_OFF
        assert 60 <= standing.at - t <= 900
    assert standing.at - t > 800, "growing pauses"


@pytest.mark.parametrize("code", ["secret_missing", "secret_invalid", "secret_file_unsafe", "oauth_no_gateway"])
def test_a_password_that_was_never_given_is_not_asked_for_again(code: str) -> None:
    assert plan.final(Failure.of(SecretError("none", code=code)))


def test_another_process_has_it() -> None:
    standing = plan.ended(plan.started(plan.begin(0), 0), 1.0, Ended(None, error=LOCKED), 900.0, 0.5)
    assert standing.state is WatchState.BUSY
    assert 1.0 < standing.at < 30.0


@given(st.integers(0, 10_000), LUCK)
def test_back_off_is_bounded(failures: int, luck: float) -> None:
    assert plan.FIRST_BACKOFF <= plan.backoff(failures, luck) <= plan.LONGEST_BACKOFF


@given(LUCK)
def test_back_off_grows(luck: float) -> None:
    rests = [plan.backoff(failures, luck) for failures in range(1, 40)]
    assert rests == sorted(rests)


def test_back_off_is_jittered_in_full() -> None:
    assert plan.backoff(20, 0.0) == plan.FIRST_BACKOFF
    assert plan.backoff(20, 0.999) > 0.99 * plan.LONGEST_BACKOFF


def fail_after(well: float, failures: int = 8) -> Standing:
    standing = plan.begin(0.0)
    for _ in range(failures):
        standing = plan.ended(plan.started(standing, 0), 0, Ended(None, error=CUT), 900.0, 0.9)
    standing = plan.ended(plan.started(standing, 0), 0, Ended(WatchState.IDLE), 900.0, 0.9)
    return plan.failed(standing, well, CUT, 0.9)


def test_only_a_stable_while_forgets_failures() -> None:
    assert fail_after(plan.STABLE).failures == 1
    assert fail_after(plan.STABLE / 2).failures == 9


def test_a_refused_folder_does_not_end_the_waiting() -> None:
    standing = plan.ended(plan.started(plan.begin(0), 0), 1.0, Ended(WatchState.IDLE, error=REFUSED), 900.0, 0.5)
    assert standing.state is WatchState.IDLE
    assert standing.error is REFUSED


def test_after_sleep_all_that_can_be_is_synced_at_once() -> None:
    backing_off = plan.failed(waiting(), 5.0, CUT, 0.9)
    for standing in (waiting(), waiting(how=WatchState.POLL), backing_off):
        assert plan.step(plan.woke(standing, 7.0), 7.0) is Step.SYNC
    busy = plan.started(waiting(), 6.0)
    assert plan.woke(busy, 7.0) is busy


@given(st.lists(st.tuples(st.floats(0.001, 5000), st.sampled_from(["tick", "news", "lost", "woke"]), ENDS, LUCK)))
def test_any_history(history: list[tuple[float, str, Ended, float]]) -> None:
    """Whatever happens: never two things at once, stopped is for good, and nothing but stopped waits for ever."""
    t, standing = 0.0, plan.begin(0.0)
    for rest, event, end, luck in history:
        t += rest
        stopped = standing.state is WatchState.STOPPED
        if event == "news":
            standing = plan.news(standing, t)
        elif event == "woke":
            standing = plan.woke(standing, t)
        elif event == "lost" and standing.state in (WatchState.IDLE, WatchState.NOTIFY):
            standing = plan.failed(standing, t, CUT, luck)
        before = standing
        what = plan.step(standing, t)
        if what is not Step.NOTHING:
            assert not stopped
            standing = plan.started(standing, t)
            assert plan.step(standing, t + 1e9) is Step.NOTHING, "never two at once"
            if what is Step.SYNC:
                standing = plan.ended(standing, t, end, 900.0, luck)
            else:
                standing = plan.refreshed(before, t, Ended(before.state), luck)
        if stopped:
            assert standing.state is WatchState.STOPPED
        elif standing.state is not WatchState.STOPPED:
            assert plan.wakes(standing) <= t + 900.0
        assert (standing.state is WatchState.STOPPED) == (standing.at == inf)


def test_an_error_of_any_family_is_judged() -> None:
    for code in ExitCode:
        error = MailctlError("x")
        error.exit_code = code
        assert plan.final(Failure.of(error)) is (code in {3, 2, 4, 7, 11})
