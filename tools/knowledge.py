"""Writes mailctl/diagnosis/knowledge.json from causes/*.toml and failures/*.toml, which take ten times longer to read.

python -m tools.knowledge            write it
python -m tools.knowledge --check    exit 1 if what is there differs
"""

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from mailctl.diagnosis.knowledge import PHRASES, read_knowledge
from mailctl.diagnosis.phrase import prepare
from mailctl.diagnosis.signals import plain

FOLDER = Path(__file__).parents[1] / "mailctl/diagnosis"
TARGET = FOLDER / "knowledge.json"


def gathered(folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """What the TOML files in `folder` hold: causes and failures, each by the name of its file, in order of name."""
    return {
        kind: {file.name: tomllib.loads(file.read_text("utf-8")) for file in sorted((folder / kind).glob("*.toml"))}
        for kind in ("causes", "failures")
    }


def _ready(data: dict[str, Any]) -> dict[str, Any]:
    """The content of a file with its patterns in the form in which texts are searched."""
    for failure in data.get("failure", ()):
        failure.update({key: [prepare(plain(phrase)) for phrase in failure[key]] for key in PHRASES if key in failure})
    return data


def written(folder: Path) -> str:
    """The text of knowledge.json: a line a file, so that a change shows where it was made."""
    kinds = []
    for kind, files in gathered(folder).items():
        lines = [f"{_json(name)}:{_json(_ready(data))}" for name, data in files.items()]
        kinds.append(f"{_json(kind)}:{{\n" + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(kinds) + "\n}\n"


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))  # ASCII: decoded and parsed in half the time


def main(arguments: list[str]) -> int:
    """Write or compare the file; returns the exit code."""
    wanted = written(FOLDER)
    same = TARGET.exists() and TARGET.read_text("utf-8") == wanted
    if arguments == ["--check"]:
        if not same:
            sys.stderr.write("diagnosis/knowledge.json is not what the TOML files make; run `make knowledge`\n")
        return 0 if same else 1
    read_knowledge(json.loads(wanted))  # what is wrong is told here, and nothing is written
    TARGET.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
