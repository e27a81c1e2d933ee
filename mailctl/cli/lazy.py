"""Typer groups that load a command's module only when the command is called, and the options every command has."""

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, get_type_hints

import typer
from typer._click import Context, HelpFormatter, Parameter
from typer._click.exceptions import UsageError
from typer.core import TyperCommand, TyperGroup, TyperOption

from mailctl.domain.names import nearest

if TYPE_CHECKING:
    from typer._click import Command as ClickCommand


def _common_options() -> list[Parameter]:
    """The options that mean the same on every command; they land in the context, not in the command's arguments."""

    def keep(ctx: Context, parameter: Parameter, value: object) -> None:
        if value not in (None, False) and ctx.obj is not None:
            ctx.obj.set_option(parameter.name, value)

    def option(names: list[str], text: str, **more: Any) -> TyperOption:
        return TyperOption(param_decls=names, help=text, expose_value=False, callback=keep, **more)

    def flag(name: str, text: str) -> TyperOption:
        return option([name], text, is_flag=True, default=False)

    return [
        flag("--json", "Print one JSON object instead of text."),
        flag("--quiet", "Leave out remarks and progress."),
        flag("--no-input", "Never ask; a question becomes an error, as it is where there is no terminal."),
        flag("--debug", "Show the traceback of an error, secrets masked."),
        option(["--config-dir"], "Where configuration lives.", metavar="DIR", type=str),
        option(["--state-dir"], "Where sync state and the mailer log live.", metavar="DIR", type=str),
    ]


class Command(TyperCommand):
    """A command with the common options after its own."""

    def __init__(self, *args: Any, **attrs: Any) -> None:
        attrs["rich_markup_mode"] = None
        super().__init__(*args, **attrs)
        self.params.extend(_common_options())


class Group(TyperGroup):
    """A group that knows its commands from a table: name → (module, help); the module's `app` holds the command.

    A module of one command is that command; one of several gives the command of that name, or is, where it has none,
    a group of its own. `default` is the command that is meant when the first word is none of the group's.
    """

    table: ClassVar[dict[str, tuple[str, str]]] = {}
    default: ClassVar[str | None] = None

    def __init__(self, **attrs: Any) -> None:
        attrs["rich_markup_mode"] = None
        attrs["suggest_commands"] = False
        super().__init__(**attrs)
        self.params.extend(_common_options())
        if self.default:
            self.no_args_is_help = False

    def list_commands(self, ctx: Context) -> list[str]:
        """The names in the order of the table, then of definition."""
        return [*self.table, *(name for name in self.commands if name not in self.table)]

    def get_command(self, ctx: Context, cmd_name: str) -> "ClickCommand | None":
        """The command, loaded now if it has not been."""
        if cmd_name not in self.commands and cmd_name in self.table:
            command = typer.main.get_command(import_module(self.table[cmd_name][0]).app)
            if isinstance(command, Group) and not command.table:
                command = command.commands.get(cmd_name, command)
            command.name = cmd_name
            self.commands[cmd_name] = command
        return self.commands.get(cmd_name)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """List the commands without loading those of the table."""
        rows = [(name, text) for name, (_, text) in self.table.items()]
        rows += [
            (name, command.get_short_help_str(80))
            for name, command in self.commands.items()
            if name not in self.table and not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Put the default command's name first where the user left it out."""
        if self.default and "--help" not in args[:1] and not self._names_command(args):
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def _names_command(self, args: list[str]) -> bool:
        words = [word for word in args if not word.startswith("-")]
        return bool(words) and words[0] in {*self.commands, *self.table} and args[0] == words[0]

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, "ClickCommand | None", list[str]]:
        """Find the command that `args` name; an unknown word suggests the nearest."""
        if args and args[0] not in self.commands and args[0] not in self.table and not args[0].startswith("-"):
            match = nearest(args[0], self.list_commands(ctx))
            more = f"; did you mean {match!r}?" if match else f"; `{ctx.command_path} --help` lists them"
            raise UsageError(f"No such command {args[0]!r}{more}", ctx=ctx)
        return super().resolve_command(ctx, args)


def spread(callback: Callable[..., None]) -> Callable[..., None]:
    """Let a command take its options as dataclasses, so that several commands share one declaration.

    A parameter whose type is a dataclass is replaced, on the command line, by the dataclass's fields (annotated as
    Typer options, each with a default); the callback gets the dataclass.
    """
    signature = inspect.signature(callback, eval_str=True)
    parameters: list[inspect.Parameter] = []
    made: dict[str, tuple[Any, list[str]]] = {}
    for parameter in signature.parameters.values():
        if not is_dataclass(parameter.annotation):
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        kinds = get_type_hints(parameter.annotation, include_extras=True)
        made[parameter.name] = (parameter.annotation, [each.name for each in fields(parameter.annotation)])
        parameters += [
            inspect.Parameter(
                each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=kinds[each.name]
            )
            for each in fields(parameter.annotation)
        ]

    @wraps(callback)
    def command(**values: Any) -> None:
        for name, (kind, names) in made.items():
            values[name] = kind(**{each: values.pop(each) for each in names})
        callback(**values)

    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # PEP 362 allows it
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


class App(typer.Typer):
    """A Typer application in mailctl's ways: no rich, no completion by Python, common options on each command."""

    def __init__(self, *, group: type[Group] = Group, **attrs: Any) -> None:
        attrs.setdefault("no_args_is_help", True)
        super().__init__(
            cls=group, rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, **attrs
        )

    def verb(self, name: str | None = None, **attrs: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Like Typer's `command`, with mailctl's command class."""
        return self.command(name, cls=Command, **attrs)
