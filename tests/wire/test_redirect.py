"""The loopback redirect against browsers, strangers and other sites."""

import socket
from http.client import HTTPConnection
from threading import Thread
from time import monotonic

import pytest

from mailctl.domain.secret import Secret
from mailctl.errors import AuthError, NetworkError
from mailctl.protocols import redirect
from mailctl.protocols.redirect import DONE, START, RedirectListener


@pytest.fixture(autouse=True)
def _ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redirect, "_POLL", 0.02)


def ours(address: str) -> bool:
    """Whether it answers the request that the tests made."""
    return "state=ours" in address


def listening(path: str = "/") -> RedirectListener:
    """A listener that has offered something."""
    listener = RedirectListener(path=path)
    listener.offer(Secret("https://id.example/authorize"), ours)
    return listener


def get(listener: RedirectListener, target: str, method: str = "GET", host: str = "") -> tuple[int, str, str]:
    """Status, Location and page."""
    connection = HTTPConnection("127.0.0.1", listener.port, timeout=10)
    try:
        connection.request(method, target, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        assert answer.headers["Cache-Control"] == "no-store" or answer.status >= 400
        return answer.status, answer.headers.get("Location", ""), answer.read().decode()
    finally:
        connection.close()


def test_an_answer_is_taken_and_its_code_leaves_the_address_bar() -> None:
    with listening("/callback") as listener:
        status, location, page = get(listener, "/callback?code=c0de&state=ours")
        assert (status, location, page) == (303, DONE, "")
        answer = listener.wait(5)
        assert isinstance(answer, Secret)
        assert answer.reveal() == f"http://127.0.0.1:{listener.port}/callback?code=c0de&state=ours"
        status, _, page = get(listener, DONE)
        assert status == 200
        assert "close this window" in page
        assert "c0de" not in page


def test_F3_only_this_machine_reaches_it_and_only_once() -> None:
    with listening() as listener:
        assert listener._server.server_address[0] == "127.0.0.1"
        assert get(listener, "/?code=first&state=ours")[0] == 303
        assert get(listener, "/?code=second&state=ours")[0] == 410
        assert "first" in listener.wait(5).reveal()
        get(listener, DONE)
    with pytest.raises(ConnectionRefusedError):
        get(listener, "/?code=third&state=ours")


def test_F3_no_other_address_of_this_machine_reaches_it() -> None:
    with listening() as listener:
        for host, family in (("127.0.0.2", socket.AF_INET), ("::1", socket.AF_INET6)):
            with socket.socket(family) as other, pytest.raises(OSError):
                other.connect((host, listener.port))


@pytest.mark.parametrize(
    "target",
    [
        "/favicon.ico",
        "/",
        "/?state=x",
        "/other?code=x&state=ours",
        DONE,
        "/%3Fcode=x",
        "/?" + "a=1&" * 99,
        "/?x=code=1",
    ],
)
def test_F4_a_stray_request_is_not_taken(target: str) -> None:
    with listening() as listener:
        status, location, page = get(listener, target)
        assert (status, location) == (404, "")
        assert "Nothing here" in page
        with pytest.raises(AuthError):
            listener.wait(0)


def test_F4_other_methods_other_sites_and_noise_are_turned_away() -> None:
    with listening() as listener:
        assert get(listener, "/?code=x&state=ours", "POST")[0] == 501
        assert get(listener, "/?code=x&state=ours", host="evil.example")[0] == 400
        assert get(listener, "/?code=x&state=ours", host=f"evil.example:{listener.port}")[0] == 400
        with socket.create_connection(("127.0.0.1", listener.port)) as noise:
            noise.sendall(b"\x16\x03\x01 no HTTP\r\n\r\n")
        with socket.create_connection(("127.0.0.1", listener.port)):  # a browser's connection ahead of need
            assert get(listener, "/?error=access_denied&state=ours", host=f"localhost:{listener.port}")[0] == 303
        get(listener, DONE)
        assert "access_denied" in listener.wait(5).reveal()


def test_F4_what_answers_something_else_does_not_end_the_wait() -> None:
    with listening() as listener:
        for target in ("/?error=x", "/?code=x&state=other"):
            status, location, page = get(listener, target)
            assert (status, location) == (400, "")
            assert "another sign-in" in page
        with pytest.raises(AuthError, match="answers another sign-in"):
            listener.wait(0)
        assert get(listener, "/?code=right&state=ours")[0] == 303
        get(listener, DONE)
        assert "right" in listener.wait(5).reveal()


def test_F4_silent_connections_do_not_shut_the_browser_out() -> None:
    with listening() as listener:
        here = ("127.0.0.1", listener.port)
        held = [socket.create_connection(here, timeout=8) for _ in range(2 * redirect.MOST_AT_ONCE)]
        assert get(listener, "/?code=x&state=ours")[0] == 303
        assert held[0].recv(1) == b""  # the oldest had to go
        get(listener, DONE)
        for each in held:
            each.close()


def test_the_start_page_leads_on_once() -> None:
    with RedirectListener() as listener:
        assert get(listener, START)[0] == 410
        assert get(listener, "/?code=x&state=ours")[0] == 400
        start = listener.offer(Secret("https://id.example/authorize?state=ours"), ours)
        assert start == f"http://127.0.0.1:{listener.port}{START}"
        assert get(listener, START)[:2] == (302, "https://id.example/authorize?state=ours")
        status, _, page = get(listener, START)  # in another browser, or another profile
        assert (status, "Opened before" in page, "has its answer" in page) == (410, True, False)
        get(listener, "/?code=c0de&state=ours")
        status, _, page = get(listener, START)
        assert (status, "has its answer" in page) == (410, True)
        get(listener, DONE)  # else it lingers


def test_nobody_comes() -> None:
    with listening() as listener, pytest.raises(AuthError) as caught:
        listener.wait(0.1)
    assert caught.value.code == "oauth_timeout"


def test_a_port_that_is_taken_is_named() -> None:
    with listening() as listener, pytest.raises(NetworkError, match=f"port {listener.port}"):
        RedirectListener(listener.port)


def test_the_browser_that_never_shows_the_last_page_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redirect, "LINGER", 0.1)
    begun = monotonic()
    with listening() as listener:
        Thread(target=get, args=(listener, "/?code=x&state=ours"), daemon=True).start()
        listener.wait(10)
    assert monotonic() - begun < 10
