"""`mailctl gateway`: the verbs, each loaded when it is called."""

from typing import Any, ClassVar

from mailctl.cli.lazy import App, Group

RESULTS: dict[str, Any] = {}


class GatewayGroup(Group):
    """Everything on gateways."""

    table: ClassVar[dict[str, tuple[str, str]]] = {
        "add": ("mailctl.cli.gateway_change", "Connect a mailbox through a server."),
        "list": ("mailctl.cli.gateway_list", "The gateways, in their order."),
        "show": ("mailctl.cli.gateway_show", "One gateway in full."),
        "edit": ("mailctl.cli.gateway_change", "Change a gateway."),
        "rename": ("mailctl.cli.gateway_move", "Rename a gateway; its secrets, state and mail follow."),
        "remove": ("mailctl.cli.gateway_move", "Remove a gateway and its secrets; its mail stays."),
        "enable": ("mailctl.cli.gateway_switch", "Let sync use gateways."),
        "disable": ("mailctl.cli.gateway_switch", "Keep sync from using gateways."),
        "default": ("mailctl.cli.gateway_switch", "Show or choose the default gateway."),
        "move": ("mailctl.cli.gateway_switch", "Put a gateway before or after another."),
        "password": ("mailctl.cli.password", "Passwords of a gateway: set, check, clear, source."),
    }


app = App(group=GatewayGroup)


@app.callback()
def gateway() -> None:
    """Gateways: one mailbox connected through one server each."""
