"""Makes docs/pictures/ anew: a run of the demo on a pseudo-terminal, drawn by rich, and a report, seen by Chromium.

python -m tools.pictures
"""

import contextlib
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
WIDTH, HEIGHT = 104, 60

PICTURES = {
    "add": ("server add", "gateway add"),
    "test": ("test anna --imap",),
    "works": ("gateway password set", "test anna --send"),
    "sync": ("sync anna",),
    "log": ("log", "status"),
}
"""Picture → the commands of the demo that it shows."""


def record() -> str:
    """What `mailctl demo` prints on a terminal of WIDTH columns, escape sequences and all."""
    env = {**os.environ, "COLUMNS": str(WIDTH), "LINES": str(HEIGHT), "TERM": "xterm-256color", "FORCE_COLOR": "1"}
    child, terminal = pty.fork()
    if child == 0:
        os.execve(Path(sys.executable).with_name("mailctl"), ["mailctl", "demo"], env)  # noqa: S606 - this very program
    parts = []
    with contextlib.suppress(OSError):  # the terminal's end shows as EIO
        while data := os.read(terminal, 65536):
            parts.append(data)
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"the demo ended with {os.waitstatus_to_exitcode(status)}")
    return b"".join(parts).decode().replace("\r\n", "\n")


def scenes(text: str) -> list[tuple[str, str]]:
    """(command, its prompt line and output), in order; remarks of the demo stand before the command they are about."""
    found: list[tuple[str, str]] = []
    remark = ""
    for block in re.split(r"(?m)^(?=\$ mailctl |# )", text):
        if block.startswith("# "):
            remark = block.strip("\n") + "\n"
        elif block.startswith("$ mailctl "):
            command = block.split("\n", 1)[0].removeprefix("$ mailctl ")
            found.append((command, remark + block.rstrip("\n") + "\n"))
            remark = ""
    return found


def draw(name: str, text: str) -> None:
    """Write one picture; folders that are new in each run are shortened, to keep the pictures alike."""
    text = re.sub(r"/tmp/mailctl-demo-[a-z0-9_]+", "/tmp/mailctl-demo", text)  # noqa: S108 - text, not a file
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115
    shown = Text.from_ansi(text.rstrip("\n")).split("\n")
    for line in shown:
        bar = "━━━━━" in line.plain and ("looking" in line.plain or " messages" in line.plain)
        if not bar and not line.plain.startswith(("checks ", "messages ")):  # progress, which is gone at the end
            console.print(line)
    svg = console.export_svg(title="mailctl", theme=MONOKAI, unique_id=f"mailctl-{name}")
    svg = re.sub(r"(?s)@font-face \{.*?\}\s*", "", svg).replace("Fira Code", "monospace")  # nothing is fetched
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.svg").write_text(svg)


def report(file: Path) -> None:
    """Write the report on a check with a wrong password, on the demo's servers."""
    program = Path(sys.executable).with_name("mailctl")
    demo = subprocess.Popen([program, "demo", "--keep"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert demo.stdout is not None  # a pipe, by Popen's arguments  # noqa: S101
    try:
        exports = next(line for line in demo.stdout if line.startswith("  export "))
        places = dict(word.split("=", 1) for word in exports.removeprefix("  export ").split())
        env = {**os.environ, **places, "TYPED": "correct horse"}
        wrong = ("--server", "demo", "--email", "bert@demo.example", "--password-env", "TYPED")
        subprocess.run([program, "gateway", "add", "bert", *wrong], env=env, check=True, capture_output=True)
        subprocess.run([program, "test", "bert", "--imap", "--report", file], env=env, check=False, capture_output=True)
    finally:
        demo.terminate()
        demo.wait()


def photograph(page: Path, picture: Path) -> None:
    """Take a picture of a page as Chromium shows it."""
    browser = shutil.which("chromium") or sys.exit("the picture of a report needs Chromium")
    options = ("--headless=new", "--disable-gpu", "--hide-scrollbars", "--window-size=880,1560", "--no-first-run")
    alone = (f"--user-data-dir={page.parent / 'profile'}", *(("--no-sandbox",) if os.geteuid() == 0 else ()))
    command = [browser, *options, *alone, f"--screenshot={picture}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def main() -> int:
    """Record once, draw all."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        report(page)
        photograph(page, FOLDER / "report.png")
    played = scenes(record())
    for name, commands in PICTURES.items():
        chosen = [text for command, text in played if any(command.startswith(start) for start in commands)]
        if name == "works":
            chosen = [text for text in chosen if "--imap" not in text.split("\n", 2)[1] + text.split("\n", 1)[0]]
        draw(name, "\n".join(chosen))
    return 0


if __name__ == "__main__":
    sys.exit(main())
