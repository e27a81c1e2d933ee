"""The device authorization grant (RFC 8628): a code that a person enters on another device, and the wait for it."""

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mailctl.domain.deadline import Deadline
from mailctl.domain.oauth import Token
from mailctl.domain.record import dataclass
from mailctl.domain.secret import Secret
from mailctl.errors import AuthError, NetworkError, ProtocolError
from mailctl.secrets.oauth.answers import MOST_TOKEN, RefusalError

if TYPE_CHECKING:
    from mailctl.secrets.oauth.client import Client

LONGEST = 1800
"""Seconds for which a code is waited for, whatever the server says."""
USUAL_INTERVAL = 5
MORE = 5
"""Seconds that `slow_down` adds to the interval (RFC 8628 section 3.5)."""
_SLOWEST = 60
_POLL = 30.0


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What a person needs (RFC 8628 section 3.2). lifetime, interval: in seconds. complete_uri: "" if there is none."""

    device_code: Secret
    user_code: str
    verification_uri: str
    complete_uri: str
    lifetime: int
    interval: int


Pause = Callable[[float, float], None]
"""Waits the seconds of its first argument; the second: seconds for which the code is still good."""


def device_code_of(facts: dict[str, Any], url: str) -> DeviceCode:
    """The code in an answer of the device authorization endpoint `url`; ProtocolError for what is none."""
    code, user_code = _text(facts, "device_code", MOST_TOKEN), _text(facts, "user_code", 64)
    secret = Secret(code)
    uri = _text(facts, "verification_uri") or _text(facts, "verification_url")  # the draft's name, which some still use
    complete = _text(facts, "verification_uri_complete")
    if not code or not user_code or not _is_page(uri) or (complete and not _is_page(complete)):
        raise ProtocolError(
            f"The device code of {urlsplit(url).hostname} is not usable",
            code="oauth_answer",
            cause="protocol_violation",
        )
    lifetime, interval = _seconds(facts.get("expires_in"), LONGEST), _seconds(facts.get("interval"), USUAL_INTERVAL)
    return DeviceCode(secret, user_code, uri, complete, min(lifetime, LONGEST), max(1, min(interval, _SLOWEST)))


def _text(facts: dict[str, Any], name: str, most: int = 2000) -> str:
    value = facts.get(name)
    return value if isinstance(value, str) and len(value) <= most and value.isprintable() else ""


def wait_for(client: "Client", code: DeviceCode, pause: Pause, clock: Callable[[], float] = monotonic) -> Token:
    """Ask until the person has agreed (RFC 8628 sections 3.4 and 3.5).

    pause: waits between two questions; may raise to give up. clock: monotonic seconds. Raises RefusalError (a no, with
    cause consent_declined) or AuthError oauth_device_expired.
    """
    end, interval = clock() + code.lifetime, float(code.interval)
    while (left := end - clock()) > 0:
        pause(min(interval, left), left)
        try:
            return client.poll(code, Deadline(_POLL))
        except RefusalError as refusal:
            if refusal.error == "slow_down":
                interval += MORE
            elif refusal.error == "expired_token":
                raise _expired(refusal.server_text) from refusal
            elif refusal.error != "authorization_pending":
                raise
        except NetworkError:  # "exponential backoff", and the code's end bounds it
            interval = min(2 * interval, _SLOWEST)
    raise _expired("")


def _expired(said: str) -> AuthError:
    return AuthError(
        "The code ran out before it was entered",
        hint="Start the sign-in again, and enter the new code in time.",
        code="oauth_device_expired",
        cause="device_code_expired",
        server_text=said,
    )


def _is_page(uri: str) -> bool:
    if not uri.isascii() or " " in uri:
        return False
    try:
        parts = urlsplit(uri)
        return bool(parts.hostname) and (parts.scheme == "https" or parts.hostname in ("127.0.0.1", "localhost"))
    except ValueError:
        return False


def _seconds(value: object, usual: int) -> int:
    try:
        return int(value) if isinstance(value, int | str) and int(value) > 0 else usual
    except ValueError:
        return usual
