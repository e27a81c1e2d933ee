"""The man page is what the command tree makes, renders without a warning, and leaves nothing out."""

import subprocess

from mailctl.cli.tree import command_tree
from mailctl.errors import ExitCode
from tools.manpage import PAGE, main


def rendered() -> str:
    done = subprocess.run(
        ["groff", "-man", "-Tascii", "-ww", "-P-cbou", "-rLL=200n", str(PAGE)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def test_what_is_kept_is_what_the_tree_makes() -> None:
    assert main(["--check"]) == 0


def test_every_command_option_and_exit_code_appears() -> None:
    text = rendered()
    for node in command_tree().walk():
        if not node.children:
            assert f"mailctl {' '.join(node.path)}" in text
        for option in node.options:
            for name in option.names:
                assert name in text, f"{name} of {node.path}"
    for code in ExitCode:
        assert f"\n       {int(code)}" in text


def test_every_command_and_option_is_documented() -> None:
    for node in command_tree().walk():
        assert node.help, f"{' '.join(node.path)} has no help"
        for option in node.options:
            assert option.help, f"{option.names} of {node.path} has no help"
