"""How a person signs in: in the browser of this machine, in one elsewhere, or by a code on another device."""

import sys
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from time import sleep
from typing import Any

from mailctl.cli.context import Context
from mailctl.domain.deadline import Deadline
from mailctl.domain.oauth import Application, Grant, Token
from mailctl.domain.oauth_setup import check_grant
from mailctl.domain.secret import Secret
from mailctl.errors import AuthError, MailctlError, UsageError

Redeem = Callable[[], Token]
ANSWER = 30.0
"""Seconds that the authorization server may take for one answer."""
TRIES = 3
"""How often an address may be pasted that is no answer."""


class Flows:
    """The ways of one application for one user. Each gives what fetches the token; Ctrl-C ends it.

    Both raise what `client` raises.

    seconds: how long the person may take.
    """

    def __init__(self, context: Context, application: Application, user: str, seconds: float) -> None:
        self.context, self.application, self.user, self.seconds = context, application, user, seconds
        self.client = context.tokens.client(application)

    def chosen(self, *, no_browser: bool, device: bool) -> Redeem:
        """Sign in by the way that the options, the application and the machine call for."""
        if device or (self.application.grant is Grant.DEVICE_CODE and not no_browser):
            return self.by_device()
        if no_browser or not self._leads_here() or not has_browser(self.context):
            return self.by_pasting()
        return self.by_browser()

    def by_browser(self) -> Redeem:
        """The browser of this machine comes back to a port of ours (RFC 8252)."""
        show = self.context.emitter.show
        with self.context.listen_for(self.application) as listener:
            authorization = self.client.authorization(self.user, listener.port)
            start = listener.offer(authorization.url, authorization.answered_by)
            show(f"The browser opens {start}; sign in there as {self.user}.")
            open_browser(self.context, start)
            answer = listener.wait(self.seconds)
        code = authorization.code(answer.reveal())
        return lambda: self.client.redeem(authorization, code, Deadline(ANSWER))

    def by_pasting(self) -> Redeem:
        """The browser is elsewhere: the person takes the link there and brings back where it led."""
        show = self.context.emitter.show
        authorization = self.client.authorization(self.user)
        show(f"Open this link in any browser, and sign in as {self.user}:")
        show(authorization.url.reveal())
        show(
            f"In the end the browser is sent to an address that begins with {authorization.redirect}. The page may not "
            "load: copy the whole address from the browser's address bar."
        )
        for left in reversed(range(TRIES)):
            try:
                code = authorization.code(self._pasted().reveal())
                break
            except AuthError as error:
                if error.code != "oauth_redirect" or not left or not self.context.interactive:
                    raise
                self.context.emitter.error(error)
        return lambda: self.client.redeem(authorization, code, Deadline(ANSWER))

    def by_device(self) -> Redeem:
        """The person enters a code on another device (RFC 8628)."""
        check_grant(self.application.service, Grant.DEVICE_CODE)
        code = self.client.device_code(Deadline(ANSWER))
        show, minutes = self.context.emitter.show, code.lifetime // 60
        show(
            f"On any device open {code.verification_uri}, sign in as {self.user}, and enter this code:",
            code=code.user_code,
        )
        if code.complete_uri:
            show(f"Or open {code.complete_uri}, which has the code already.")
        if not self.context.emitter.is_terminal(self.context.stderr):
            show(f"It is good for {minutes} min.")
        with self.context.emitter.waiting("Waiting for the sign-in:") as waiting:

            def pause(seconds: float, left: float) -> None:
                while seconds > 0:
                    waiting.left(left)
                    step = min(1.0, seconds)
                    sleep(step)
                    seconds, left = seconds - step, left - step

            token = self.context.token_of_device(self.client, code, pause)
        return lambda: token

    def give_back(self, token: Token) -> None:
        """Have a token revoked that is of no use, where that can be."""
        with suppress(MailctlError):  # what it is of no use for is what has to be told
            self.client.revoke(token, Deadline(ANSWER))

    def _leads_here(self) -> bool:
        """Whether the redirect is one that can be listened for."""
        return self.application.redirect.startswith(("http://127.0.0.1", "http://localhost"))

    def _pasted(self) -> Secret:
        """The address that the person pastes, which isn't shown; or the first line of a pipe."""
        from mailctl.cli.auth_paste import pasted

        if self.context.no_input:
            raise UsageError("The redirected address has to be pasted, and --no-input forbids to ask", code="no_input")
        if self.context.interactive:
            return Secret(pasted(self.context, "The address (it is not shown)").strip())
        line = self.context.stdin.readline(1 << 16)
        if not line:
            raise UsageError(
                "The redirected address has to be pasted, and there is nobody to ask",
                hint="Sign in on a terminal; or give the address as the first line of a pipe.",
                code="no_input",
            )
        return Secret(line.strip())


def has_browser(context: Context) -> bool:
    """Whether this machine can show a browser to the person at it."""
    env = context.env
    named = bool(env.get("BROWSER"))
    if sys.platform in ("darwin", "win32"):
        return named or not env.get("SSH_CONNECTION")
    return named or bool(env.get("DISPLAY") or env.get("WAYLAND_DISPLAY"))


def open_browser(context: Context, url: str) -> None:
    """Start the user's browser, without what it must not know; where that fails, the person can open `url`."""
    import subprocess

    env = {name: value for name, value in context.child_env().items() if name != "TERM"}  # none that needs a terminal
    command = [sys.executable, "-P", "-m", "webbrowser", url]
    nothing: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)

    def run() -> None:
        subprocess.run(command, env=env, check=False, start_new_session=True, **nothing)

    Thread(target=run, name="browser", daemon=True).start()
