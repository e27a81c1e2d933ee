"""The import rule: who may import whom, on the import graph of the whole package; and which libraries it needs."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "mailctl"

ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "domain": {"errors"},
    "protocols": {"domain", "errors"},
    "config": {"domain", "errors"},
    "secrets": {"domain", "errors"},
    "providers": {"domain", "errors"},
    "journal": {"domain", "errors"},
    "diagnosis": {"domain", "errors"},
    "sync": {"domain", "errors"},
    "schedule": {"domain", "errors"},
    "demo": {"domain", "errors"},
    "output": {"domain", "errors"},
    "cli": {
        "cli",
        "output",
        "domain",
        "errors",
        "diagnosis",
        "sync",
        "providers",
        "config",
        "journal",
        "schedule",
        "demo",
        "",
    },
    "__main__": {"cli", "errors", ""},
    "": set(),
}
"""What each room may import besides itself; "" is the package's own version."""

ADAPTERS = {"protocols", "secrets"}
"""Rooms that a command reaches through the context alone."""
BUILDERS = {"cli/context.py", "cli/context_secrets.py"}

ONLY_IN: dict[str, str | tuple[str, ...]] = {
    "imaplib": "protocols/imap",
    "smtplib": "protocols",
    "poplib": "protocols",
    "socket": "protocols",
    "ssl": ("protocols", "demo/server.py"),
    "dns": "protocols",
    "keyring": "secrets",
    "rich": "output",
    "typer": "cli",
}


def imports(file: Path) -> Iterator[str]:
    """Dotted names that `file` imports anywhere, type-checking blocks included."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(dotted: str) -> str:
    parts = dotted.split(".")
    return parts[1] if (len(parts) > 1 and (PACKAGE / parts[1]).exists()) or f"{parts[1]}.py" in FILES else ""


FILES = {file.name for file in PACKAGE.glob("*.py")}
SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_room_imports_only_what_it_may(file: Path) -> None:
    inside = file.relative_to(PACKAGE)
    here = inside.parts[0].removesuffix(".py") if inside.name != "__init__.py" or len(inside.parts) > 1 else ""
    for name in imports(file):
        top = name.split(".")[0]
        if top == "mailctl":
            there = room(name)
            builder = str(inside) in BUILDERS
            assert there == here or there in ALLOWED[here] or builder, f"{inside} imports {name}"
            if here == "cli" and there in ADAPTERS and not builder:
                pytest.fail(f"{inside} imports {name}: only cli/context*.py reach there")
        elif top in ONLY_IN:
            assert str(inside).startswith(ONLY_IN[top]), f"{inside} imports {name}: only {ONLY_IN[top]} may"


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_file_stays_readable(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 330, "split it by noun"


def test_the_libraries_that_are_used_are_those_that_are_declared() -> None:
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    names = {re.match(r"[\w-]+", each)[0] for each in project["dependencies"]}  # type: ignore[index]  # each has a name
    extra = re.match(r"[\w-]+", project["optional-dependencies"]["oauth"][0])[0].lower()  # type: ignore[index]  # as above
    declared = {extra} | {"dns" if name == "dnspython" else name.replace("-", "_") for name in names}
    needed = [file for file in SOURCES if file.relative_to(PACKAGE).parts[0] != "demo"]  # an extra
    used = {name.split(".")[0] for file in needed for name in imports(file)}
    assert used - sys.stdlib_module_names - {"mailctl"} == declared
