"""The command tree as values, read off the real commands: what completions, man page and reference are made from."""

from collections.abc import Iterator
from typing import Any

from typer.core import TyperOption

from mailctl.cli.lazy import Group
from mailctl.domain.record import dataclass


@dataclass(frozen=True, slots=True)
class Option:
    """One option. names: all spellings. value: its metavar, "" for a flag. choices: what the value can be, if fixed."""

    names: tuple[str, ...]
    value: str
    choices: tuple[str, ...]
    help: str
    repeatable: bool
    required: bool


@dataclass(frozen=True, slots=True)
class Argument:
    """One positional argument; `value` is its metavar."""

    value: str
    choices: tuple[str, ...]
    help: str
    repeatable: bool
    required: bool


@dataclass(frozen=True, slots=True)
class Node:
    """A command or group. path: its words after `mailctl`. default: the command meant when none is named."""

    path: tuple[str, ...]
    help: str
    options: tuple[Option, ...]
    arguments: tuple[Argument, ...]
    children: "tuple[Node, ...]"
    default: str = ""

    @property
    def name(self) -> str:
        """The last word, or `mailctl` for the root."""
        return self.path[-1] if self.path else "mailctl"

    def walk(self) -> "Iterator[Node]":
        """This node and all below it, in order."""
        yield self
        for child in self.children:
            yield from child.walk()


def command_tree() -> Node:
    """The whole tree; loads every command."""
    from typer.main import get_command

    from mailctl.cli.app import app

    return _node(get_command(app), ())


def _node(command: Any, path: tuple[str, ...]) -> Node:
    from typer._click import Context

    children: tuple[Node, ...] = ()
    default = ""
    with Context(command, info_name=path[-1] if path else "mailctl") as context:
        if isinstance(command, Group):
            default = command.default or ""
            found = ((name, command.get_command(context, name)) for name in command.list_commands(context))
            children = tuple(_node(child, (*path, name)) for name, child in found if child and not child.hidden)
        options, arguments = [], []
        for parameter in command.get_params(context):
            if getattr(parameter, "hidden", False):
                continue
            choices = tuple(str(choice) for choice in getattr(parameter.type, "choices", ()))
            shown = parameter.metavar or parameter.type.name.upper()
            many = parameter.nargs == -1 or getattr(parameter, "multiple", False)
            if isinstance(parameter, TyperOption):
                flag = bool(parameter.is_flag or parameter.count)
                names = (*parameter.opts, *parameter.secondary_opts)
                value = "" if flag else "|".join(choices) or shown
                options.append(Option(names, value, choices, parameter.help or "", many, parameter.required))
            elif parameter.param_type_name == "argument":
                value = (parameter.metavar or (parameter.name or "").upper()).strip("[].")
                text = getattr(parameter, "help", "") or ""
                arguments.append(Argument(value, choices, text, many, parameter.required))
            else:
                options.append(Option(tuple(parameter.opts), "", (), parameter.help or "", False, False))
    text = (command.help or command.short_help or "").split("\f")[0].strip()
    return Node(path, text, tuple(options), tuple(arguments), children, default)
