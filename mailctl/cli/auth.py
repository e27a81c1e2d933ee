"""`mailctl auth`: the verbs, each loaded when it is called."""

from typing import Any, ClassVar

from mailctl.cli.lazy import App, Group

RESULTS: dict[str, Any] = {}


class AuthGroup(Group):
    """Everything on OAuth."""

    table: ClassVar[dict[str, tuple[str, str]]] = {
        "setup": ("mailctl.cli.auth_setup", "Register an application of your own with a provider, step by step."),
        "login": ("mailctl.cli.auth_login", "Sign in to a gateway."),
        "status": ("mailctl.cli.auth_status", "Who is signed in, for which scopes, and for how long."),
        "logout": ("mailctl.cli.auth_logout", "Revoke and forget the tokens of gateways."),
        "token": ("mailctl.cli.auth_token", "Print a fresh access token, for other programs."),
    }


app = App(group=AuthGroup)


@app.callback()
def auth() -> None:
    """Sign in by OAuth, where a provider takes no passwords."""
