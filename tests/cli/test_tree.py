"""What every command promises, read off the command tree."""

import pytest

from mailctl.cli.schema import result_types
from mailctl.cli.tree import Node, command_tree

LOOK_ONLY = {
    *("server presets", "server list", "server show", "gateway list", "gateway show", "gateway password check"),
    *("test", "explain", "status", "log show", "config path", "auth status", "auth token", "config check", "schema"),
    *("secrets doctor", "secrets list"),
    *("watch", "schedule show"),  # a watch changes what `sync` would, which has it
    "demo",  # works in folders of its own, which go with it
}
COMMANDS = {" ".join(node.path): node for node in command_tree().walk() if not node.children}


def names(node: Node) -> set[str]:
    return {name for option in node.options for name in option.names}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_changes_something_has_a_dry_run(command: str) -> None:
    assert ("--dry-run" in names(COMMANDS[command])) is (command not in LOOK_ONLY)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_the_common_options_and_a_published_result(command: str) -> None:
    common = {"--json", "--quiet", "--no-input", "--debug", "--config-dir", "--state-dir"}
    assert common <= names(COMMANDS[command])
    assert command in result_types()
