"""Peak memory of a sync, all its processes together: of a large mailbox, and of a huge message.

    python -m tests.bench.memory [--messages 50000] [--megabytes 500] [--tools mailctl,mbsync-nc]

exit 1 if mailctl needs more than its goals: 45 MB and 30 MB a worker, and 100 MB in all.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .corpus import Corpus, Message, few_folders
from .mailserver import Mailbox, MailServer, NoServerError, running
from .tools import TOOLS, Access, Command

ALONE, WORKER, ALL = 45, 30, 100  # MB


@dataclass(frozen=True)
class Peak:
    """MB of each process at its peak, the first the program's own."""

    processes: Sequence[float]

    @property
    def total(self) -> float:
        """As if all had their peaks at once: never less than what was needed."""
        return sum(self.processes)

    @property
    def goal(self) -> float:
        """The most that it may be."""
        return min(ALL, ALONE + WORKER * (len(self.processes) - 1))


class Huge(Corpus):
    """One message with an attachment of so many MB."""

    def __init__(self, megabytes: int) -> None:
        super().__init__("huge")
        self._lines = megabytes * 1_000_000 // 77

    def messages(self, count: int) -> Iterator[Message]:
        """It, and nothing else."""
        for message in super().messages(count):
            yield Message(message.data + (b"QUJD" * 19 + b"\n") * self._lines, message.time)


def watched(command: Command, folder: Path) -> Peak:
    """Run it and look at the peaks of all its processes every 10 ms (proc(5): VmHWM)."""
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command.argv, env=dict(command.env), cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    peaks: dict[int, float] = {}
    while process.poll() is None:
        for pid in _family(process.pid):
            peaks[pid] = max(peaks.get(pid, 0), _high_water(pid))
        time.sleep(0.01)
    if process.returncode:
        raise SystemExit(f"{command.argv}: ended with {process.returncode}: {(folder / 'output').read_text()[-2000:]}")
    return Peak([peak / 1024 for peak in peaks.values()])


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from _family(int(child))
    except OSError:  # it ended meanwhile
        return


def _high_water(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1])
    except OSError:
        return 0
    return 0  # it ended and waits to be reaped


def measured(server: MailServer, name: str, mailbox: Mailbox, tools: Sequence[str]) -> bool:
    """Print what each tool needed for the first run and the next; whether mailctl keeps its goals."""
    held = True
    for tool in tools:
        with tempfile.TemporaryDirectory(prefix="mailctl-bench-") as folder:
            access = Access(server.dovecot.imaps, mailbox.user, mailbox.password, server.authority)
            command = TOOLS[tool].prepare(Path(folder), access)
            for step in ("initial", "same"):
                peak = watched(command, Path(folder))
                verdict = ""
                if tool.startswith("mailctl"):
                    holds = peak.total <= peak.goal
                    held &= holds
                    verdict = f"(goal {peak.goal:.0f})  {'ok' if holds else 'MISSED'}"
                parts = " + ".join(f"{each:.0f}" for each in peak.processes)
                print(f"{name:24} {step:8} {tool:12} {peak.total:6.1f} MB  = {parts}  {verdict}", flush=True)
    return held


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--tools", type=lambda text: text.split(","), default="mailctl,mbsync-nc")
    options = parser.parse_args(argv)
    tools = [name for name in options.tools if TOOLS[name].path()]
    try:
        with running() as server:
            many = server.mailbox(few_folders(options.messages), Corpus("many", small=True))
            held = measured(server, f"{options.messages} messages", many, tools)
            huge = server.mailbox([("INBOX", 1)], Huge(options.megabytes))
            held &= measured(server, f"one of {options.megabytes} MB", huge, tools)
    except NoServerError as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
