"""What is advised can be typed: each command that the knowledge or a hint names exists, with the options it names."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

import mailctl
from mailctl.cli.app import app
from mailctl.diagnosis.knowledge import load_knowledge

_COMMAND = re.compile(r"`mailctl ([^`]+)`")


def advised() -> list[str]:
    knowledge = load_knowledge()
    texts = [step for cause in knowledge.causes.values() for step in (*cause.remedy, cause.meaning)]
    texts += [step for failure in knowledge.failures for step in (*failure.remedy, failure.explanation)]
    found = {command for text in texts for command in _COMMAND.findall(text)}
    found |= {command for text in texts_of_the_code() for command in _COMMAND.findall(text)}
    found = {re.sub("^X ", f"{noun} ", each) for each in found - {"X"} for noun in ("server", "gateway")}
    return sorted({command.replace("{flag}", flag) for command in found for flag in ("imap", "pop3", "smtp")})


def texts_of_the_code() -> Iterator[str]:
    """Every text in code that names commands and isn't a docstring; what is filled in stands as `X`."""
    for file in Path(mailctl.__file__).parent.rglob("*.py"):
        if "`mailctl" not in (source := file.read_text("utf-8")):  # this is done whenever tests are collected
            continue
        nodes = list(ast.walk(ast.parse(source)))
        inside = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        inside |= {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
                yield node.value


@pytest.mark.parametrize("command", advised())
def test_an_advised_command_exists(command: str) -> None:
    words = command.split()
    node = get_command(app)
    with node.make_context("mailctl", [], resilient_parsing=True) as context:
        while words and hasattr(node, "get_command") and (found := node.get_command(context, words[0])):
            node = found
            words.pop(0)
        default = getattr(node, "default", None)
        assert default or not hasattr(node, "get_command"), f"{words[0] if words else command} is no command"
        known = {name for parameter in node.params for name in parameter.opts + parameter.secondary_opts}
        assert {word for word in words if word.startswith("--")} <= known
