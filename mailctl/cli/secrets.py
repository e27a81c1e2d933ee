"""`mailctl secrets`: the verbs, each loaded when it is called."""

from typing import Any, ClassVar

from mailctl.cli.lazy import App, Group

RESULTS: dict[str, Any] = {}


class SecretsGroup(Group):
    """Everything on where secrets are."""

    table: ClassVar[dict[str, tuple[str, str]]] = {
        "doctor": ("mailctl.cli.secrets_doctor", "Which sources are usable here, and which answer."),
        "list": ("mailctl.cli.secrets_list", "What mailctl keeps, and for whom; never a value."),
        "move": ("mailctl.cli.secrets_move", "Move passwords and tokens to the keyring or the encrypted file."),
        "prune": ("mailctl.cli.secrets_list", "Remove what nobody uses any more."),
        "key": ("mailctl.cli.secrets_key", "Make a random key for the encrypted file, or change its key."),
    }


app = App(group=SecretsGroup)


@app.callback()
def secrets() -> None:
    """Where secrets are: sources that work here, what is kept, and how it moves."""
