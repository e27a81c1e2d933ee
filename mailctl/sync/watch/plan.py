"""What a watch does next with one gateway. Pure: where it stands and what happened in, where it stands then out.

Moments are seconds on one monotonic scale. `luck` is a random number in [0, 1) of the caller's.

    due ──started──> syncing ──ended──> notify | idle | poll ──news, or the interval is over──> due
                        │                   └──lost──> backing off ──> due
                        ├── it failed ──> backing off ──> due
                        ├── another process has the gateway ──> busy ──> due
                        └── sign-in refused, no password kept, a brake, configuration ──> stopped, for good
"""

import re
from dataclasses import replace
from enum import Enum
from math import inf

from mailctl.domain.heartbeat import WatchState
from mailctl.domain.record import dataclass
from mailctl.errors import ExitCode
from mailctl.sync.report import Failure

COALESCE = 1.0
"""Seconds from the first news to the sync: what comes in a burst is fetched in one go."""
LONGEST_COALESCE = 64.0
"""The same after news, one after another, that brought nothing: a server, or a program here, that cries wolf."""
QUIET = 5 * 60.0
"""Seconds without news after which those are forgotten."""
MOST_FRUITLESS = 3
"""So many of them, and what differed when waiting began is no news any more."""
REFRESH = 25 * 60.0
"""Seconds after which waiting is begun anew; servers may end an IDLE after 30 minutes (RFC 2177)."""
FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 15 * 60.0
"""Seconds before the next attempt, at least and at most."""
TEMPORARY_BACKOFF = 60.0
"""The least of them where no sign-in was possible for now: each try may ask a person, or count as one at the server."""
STABLE = 60.0
"""Seconds without a failure after which earlier failures are forgotten."""
BUSY = 10.0
"""Seconds between two looks whether another process still has the gateway."""
SHORTEST_INTERVAL = 10.0
"""Seconds between two polls, however short the gateway's interval."""

WAITING = frozenset({WatchState.NOTIFY, WatchState.IDLE, WatchState.POLL})
_AT_REST = WAITING | {WatchState.DUE, WatchState.BACKING_OFF, WatchState.BUSY}
_FINAL = frozenset({ExitCode.AUTH, ExitCode.SECRET, ExitCode.SAFETY, ExitCode.CONFIG, ExitCode.USAGE})
_TEMPORARY = re.compile(r"\[(UNAVAILABLE|INUSE|LIMIT|SYS/TEMP|IN-USE|LOGIN-DELAY)\b", re.IGNORECASE)
"""RFC 5530, RFC 3206, RFC 2449: the server did not look at the password."""
_UNOPENED = frozenset(
    {"keyring_locked", "keyring_timeout", "keyring_none", "keyring_refused", "secret_unavailable", "secret_command"}
)
"""Codes of secrets that may be had later: nobody has unlocked the keyring yet, or D-Bus is not up."""


class Step(Enum):
    """What is to be done now."""

    NOTHING = "nothing"
    SYNC = "sync"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a gateway stands.

    since: when the state began. at: when a sync is due. refresh_at: when waiting is to be begun anew. failures: in a
    row. well_since: since when nothing failed, None if the last thing did. fruitless: syncs in a row that news asked
    for and that brought nothing. called: whether news asked for the sync. error: what went wrong last, if it did.
    """

    state: WatchState
    since: float
    at: float = inf
    refresh_at: float = inf
    failures: int = 0
    well_since: float | None = None
    fruitless: int = 0
    called: bool = False
    error: Failure | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a sync, or of waiting begun anew.

    waits: how the gateway waits from now on; None: it doesn't, since there is no connection. changed: whether mail or
    flags moved. moved_on: whether the server had more to tell already when waiting began. once_more: whether there may
    be more that nobody will tell of. error: what failed, if any. passing: whether a refused sign-in is known to pass by
    itself (too many connections), the password being no matter.
    """

    waits: WatchState | None
    changed: bool = False
    moved_on: bool = False
    once_more: bool = False
    error: Failure | None = None
    passing: bool = False


def begin(t: float) -> Standing:
    """A gateway that is new to the watch."""
    return Standing(WatchState.DUE, t, at=t)


def step(standing: Standing, t: float) -> Step:
    """What to do at `t`."""
    if standing.state in _AT_REST and t >= standing.at:
        return Step.SYNC
    if standing.state in WAITING and t >= standing.refresh_at:
        return Step.REFRESH
    return Step.NOTHING


def wakes(standing: Standing) -> float:
    """The moment at which `step` may say something else than nothing; inf if time alone changes nothing."""
    return min(standing.at, standing.refresh_at) if standing.state in _AT_REST else inf


def started(standing: Standing, t: float) -> Standing:
    """A sync, or the renewal of waiting, has begun."""
    return replace(standing, state=WatchState.SYNCING, since=t, at=inf, refresh_at=inf)


def news(standing: Standing, t: float) -> Standing:
    """Something changed there or here; only told while it waits."""
    if standing.state not in WAITING:
        return standing
    fruitless = 0 if t - standing.since > QUIET else standing.fruitless
    patience = min(COALESCE * 2.0**fruitless, LONGEST_COALESCE)
    return replace(standing, at=min(standing.at, t + patience), called=True, fruitless=fruitless)


def ended(standing: Standing, t: float, outcome: Ended, interval: float, luck: float) -> Standing:
    """The sync has ended."""
    error = outcome.error
    if error is not None and final(error) and not outcome.passing:
        return Standing(WatchState.STOPPED, t, failures=standing.failures + 1, error=error)
    if error is not None and error.code == "locked":
        return Standing(WatchState.BUSY, t, at=t + BUSY * (1 + luck / 2), failures=standing.failures, error=error)
    if outcome.waits is None:
        return failed(standing, t, error, luck)
    fruitless = 0
    if standing.called and not outcome.changed:
        fruitless = min(standing.fruitless + 1, 10)
    at = t + (COALESCE if outcome.once_more else max(interval, SHORTEST_INTERVAL))
    waiting = Standing(
        outcome.waits,
        t,
        at=at,
        refresh_at=t + REFRESH if outcome.waits is not WatchState.POLL else inf,
        failures=standing.failures + 1 if error else standing.failures,
        well_since=None if error else (t if standing.well_since is None else standing.well_since),
        fruitless=fruitless,
        error=error,
    )
    return news(waiting, t) if outcome.moved_on and fruitless < MOST_FRUITLESS else waiting


def refreshed(before: Standing, t: float, outcome: Ended, luck: float) -> Standing:
    """Waiting was begun anew, or could not be. before: where the gateway stood before `started`."""
    if outcome.waits is None:
        return failed(before, t, outcome.error, luck)
    waiting = replace(before, state=outcome.waits, refresh_at=t + REFRESH)
    return news(waiting, t) if outcome.moved_on else waiting


def failed(standing: Standing, t: float, error: Failure | None, luck: float) -> Standing:
    """There is no connection any more."""
    stable = standing.well_since is not None and t - standing.well_since >= STABLE
    failures = 1 if stable else standing.failures + 1
    unsigned = error is not None and error.exit_code in (ExitCode.AUTH, ExitCode.SECRET)
    least = TEMPORARY_BACKOFF if unsigned else FIRST_BACKOFF
    at = t + backoff(failures, luck, least)
    return Standing(WatchState.BACKING_OFF, t, at=at, failures=failures, error=error)


def woke(standing: Standing, t: float) -> Standing:
    """The machine slept, or its clock was set: connections may be dead without a word, and much may have come."""
    if standing.state not in _AT_REST:
        return standing
    return replace(standing, at=t, failures=0)


def final(error: Failure) -> bool:
    """Whether trying again by itself would be wrong: it could lock an account, or do what a person must agree to."""
    if error.exit_code is ExitCode.AUTH and _TEMPORARY.search(error.server_text):
        return False
    if error.exit_code is ExitCode.SECRET and error.code in _UNOPENED:
        return False
    return error.exit_code in _FINAL


def backoff(failures: int, luck: float, least: float = FIRST_BACKOFF) -> float:
    """Seconds before the next attempt: exponential, with full jitter above the least."""
    most = min(least * 2.0 ** min(failures, 30), LONGEST_BACKOFF)
    return least + luck * (most - least)
