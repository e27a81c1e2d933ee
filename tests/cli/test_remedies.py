"""What the failure knowledge advises can be typed: each command that it names exists, with the options it names."""

import re

import pytest
from typer.main import get_command

from mailctl.cli.app import app
from mailctl.diagnosis.knowledge import load_knowledge

_COMMAND = re.compile(r"`mailctl ([^`]+)`")


def advised() -> list[str]:
    knowledge = load_knowledge()
    texts = [step for cause in knowledge.causes.values() for step in (*cause.remedy, cause.meaning)]
    texts += [step for failure in knowledge.failures for step in (*failure.remedy, failure.explanation)]
    found = {command for text in texts for command in _COMMAND.findall(text)}
    return sorted({command.replace("{flag}", flag) for command in found for flag in ("imap", "pop3", "smtp")})


@pytest.mark.parametrize("command", advised())
def test_an_advised_command_exists(command: str) -> None:
    words = command.split()
    node = get_command(app)
    with node.make_context("mailctl", [], resilient_parsing=True) as context:
        while words and hasattr(node, "get_command") and (found := node.get_command(context, words[0])):
            node = found
            words.pop(0)
        assert not hasattr(node, "get_command"), f"{words[0] if words else command} is no command"
        known = {name for parameter in node.params for name in parameter.opts + parameter.secondary_opts}
        assert {word for word in words if word.startswith("--")} <= known
