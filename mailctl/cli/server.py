"""`mailctl server`: the verbs, each loaded when it is called."""

from typing import Any, ClassVar

from mailctl.cli.lazy import App, Group

RESULTS: dict[str, Any] = {}


class ServerGroup(Group):
    """Everything on servers."""

    table: ClassVar[dict[str, tuple[str, str]]] = {
        "presets": ("mailctl.cli.server_presets", "The providers that mailctl knows, and how to sign in there."),
        "add": ("mailctl.cli.server_change", "Add a server, from a preset or by hand."),
        "list": ("mailctl.cli.server_list", "The servers, and how many gateways are on each."),
        "show": ("mailctl.cli.server_list", "One server in full."),
        "edit": ("mailctl.cli.server_change", "Change a server."),
        "rename": ("mailctl.cli.server_move", "Rename a server; its gateways follow."),
        "remove": ("mailctl.cli.server_move", "Remove a server that no gateway uses."),
        "discover": ("mailctl.cli.server_discover", "Find the servers of an address."),
    }


app = App(group=ServerGroup)


@app.callback()
def server() -> None:
    """Servers: where IMAP, POP3 and SMTP answer, and which certificates to believe."""
