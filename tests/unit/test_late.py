"""Modules that are loaded when they are used."""

import subprocess
import sys
from pathlib import Path

import mailctl

LOADED = "import sys; sys.path.insert(0, sys.argv[1]); from mailctl.cli.late import late; late(); "


def run(program: str) -> str:
    argv = [sys.executable, "-c", LOADED + program, str(Path(mailctl.__file__).parents[1])]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def test_nothing_is_loaded_by_who_does_not_use_it() -> None:
    program = """
import dataclasses

@dataclasses.dataclass(frozen=True)
class Told:
    '''One.'''
    name: str

import pathlib
print(Told("a"), pathlib.Path("a") / "b", "ast" in sys.modules, "dis" in sys.modules)
"""
    assert run(program) == "Told(name='a') a/b False False"


def test_who_uses_it_has_all_of_it() -> None:
    program = """
import inspect, dataclasses

@dataclasses.dataclass
class Untold:
    name: str

import inspect as again
from inspect import signature
print(Untold.__doc__, inspect.Signature is again.Signature, signature is inspect.signature)
print(inspect.isfunction(print), inspect.getmodule(Untold).__name__, hasattr(inspect, "nope"))

import ipaddress, pathlib, urllib.parse
url = urllib.parse.urlsplit("http://[::1]/")
print(ipaddress.ip_address("::1"), url.hostname, pathlib.PureWindowsPath("c:/a").parts)
"""
    assert run(program).splitlines() == [
        "Untold(name: str) True True",
        "False __main__ False",
        "::1 ::1 ('c:\\\\', 'a')",
    ]


def test_what_is_loaded_stays() -> None:
    import inspect

    from mailctl.cli.late import late

    late()
    assert sys.modules["inspect"] is inspect
