"""Placeholder until its command lands."""

from typing import Any

import typer

from mailctl.cli.lazy import App

app = App()
RESULTS: dict[str, Any] = {}


@app.verb()
def demo(ctx: typer.Context) -> None:
    """Not there yet."""
