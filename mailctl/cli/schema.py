"""`mailctl schema [COMMAND]`: what --json prints, as JSON Schema, from the same types that are printed.

A command module declares `RESULTS`: command name → type of its result. A command that isn't there has no JSON result.
"""

from typing import Annotated, Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.lazy import App, Group
from mailctl.domain.names import nearest
from mailctl.errors import NotFoundError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Table, columns

app = App()

_REPORT = "report"
RESULTS: dict[str, Any] = {"schema": dict[str, Any]}


def result_types(word: str = "") -> dict[str, Any]:
    """The type of every command's result, by the command's name ("gateway list"); of those below `word` if given."""
    from mailctl.cli.app import Root

    return _results(Root, word)


def _results(group: type[Group], word: str = "") -> dict[str, Any]:
    from importlib import import_module

    found: dict[str, Any] = {}
    for key, (name, _) in group.table.items():
        if word and key != word:
            continue
        module = import_module(name)
        found.update(module.RESULTS)
        below = module.app.info.cls
        if below and below.table:
            found.update(_results(below))
    return found


def envelope(command: str, kind: Any) -> dict[str, Any]:
    """The JSON Schema of the whole object that `command` prints."""
    from mailctl.output.json import ERROR_SCHEMA, schema_of

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"mailctl {command}",
        "type": "object",
        "required": ["schema", "ok", "result", "error"],
        "properties": {
            "schema": {"const": f"mailctl.{command.replace(' ', '.')}/1"},
            "ok": {"type": "boolean"},
            "result": {"anyOf": [{"type": "null"}, schema_of(kind)]},
            "error": {"anyOf": [{"type": "null"}, ERROR_SCHEMA]},
        },
    }


def report_schema() -> dict[str, Any]:
    """The JSON Schema of the file that `test --report FILE.json` writes."""
    from mailctl.domain.report import SCHEMA, Report
    from mailctl.output.json import schema_of

    found = schema_of(Report)
    found["properties"]["schema"] = {"const": SCHEMA}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "mailctl report", **found}


@app.verb()
def schema(
    ctx: typer.Context,
    command: Annotated[list[str] | None, typer.Argument(help="The command (`gateway list`), or `report`.")] = None,
) -> None:
    """JSON Schema of what --json prints for COMMAND, or the commands that have one.

    `report` is the file that `test --report FILE.json` writes.
    """
    context = Context.of(ctx)
    types = result_types()
    if not command:
        schemas = {name: envelope(name, types[name]) for name in sorted(types)} | {_REPORT: report_schema()}
        context.emit(Outcome(schemas, Table(columns("command"), [[name] for name in schemas])))
        return
    name = " ".join(command)
    if name not in {*types, _REPORT}:
        near = nearest(name, [*types, _REPORT])
        hint = f"Did you mean {near!r}?" if near else "`mailctl schema` lists the commands that have one."
        raise NotFoundError(f"There is no schema of {name!r}", hint=hint)
    from mailctl.output.json import dump

    found = report_schema() if name == _REPORT else envelope(name, types[name])
    context.emit(Outcome(found, text=dump(found, indent=2)))
