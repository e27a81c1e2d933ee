"""mailctl's sync beside its peers', on a real Dovecot, in one run: the table, the ratios, the goals.

    python -m tests.bench.sync [--sizes 1000,10000,folders,delta] [--rtt 0,40] [--tools mailctl,mbsync-nc] [--json]

exit 1 if a goal is missed. README.md beside this file says how to read it.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .corpus import Corpus, few_folders, many_folders
from .goals import Row, Verdict, judged, ratio
from .mailserver import Mailbox, MailServer, NoServerError, running
from .programs import Line, NoCompilerError, Sample, ToolFailedError, Traffic, measure, round_trip
from .table import print_rows, print_verdicts
from .tools import REFERENCE, TOOLS, Access, Command, Tool

SAME, CHANGES = 3, 3  # runs a round
_MEMORY = Path("/dev/shm")  # a tmpfs: what is measured there is the program and the line, not the disk


@dataclass
class Found:
    """What was measured for one mailbox and round trip, by step and tool."""

    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=lambda: defaultdict(list))
    traffic: dict[tuple[str, str], Traffic] = field(default_factory=dict)

    def rows(self, mailbox: str, rtt: float) -> Iterator[Row]:
        """By step, then tool; without what only the first round had."""
        for (step, tool), samples in self.samples.items():
            if samples:
                yield Row(mailbox, rtt, step, tool, samples, self.traffic.get((step, tool), Traffic()))


@dataclass(frozen=True)
class Place:
    """Where to: the line to count on, the port to measure through, and folders for homes (on tmpfs) and programs."""

    mailbox: Mailbox
    counting: Line
    port: int
    folder: Path
    programs: Path


def say(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


def make_mailbox(server: MailServer, kind: str) -> Mailbox:
    """`folders`: 200 of them; `delta`: 20,000 small messages in INBOX; a number: so many in four folders."""
    match kind:
        case "folders":
            return server.mailbox(many_folders(200, 2000), Corpus("folders", small=True))
        case "delta":
            return server.mailbox([("INBOX", 20_000)], Corpus("delta", small=True))
    return server.mailbox(few_folders(int(kind)), Corpus(kind))


def one_round(place: Place, tools: Sequence[Tool], number: int, found: Found) -> None:
    """Every step by every tool in turn; the first round's times are thrown away, its traffic is counted."""
    first = number == 0
    homes: dict[str, Command] = {}
    port = place.counting.port if first else place.port
    turned = [*tools[number % len(tools) :], *tools[: number % len(tools)]]

    def run(step: str, tool: Tool, keep: bool = True) -> None:
        command = homes[tool.name]
        try:
            sample = measure(place.programs, command.argv, command.env)
        except ToolFailedError as error:  # getmail does, now and then; an hour's figures are not lost with it
            if tool.name == REFERENCE or tool.name.startswith("mailctl"):
                raise
            say(f"  {step:8} {tool.name:16}   failed: {str(error)[-200:].strip()}")
            return
        if first:
            found.traffic[step, tool.name] = place.counting.traffic()
            found.samples[step, tool.name] += []
        elif keep:
            found.samples[step, tool.name].append(sample)
        say(f"  {step:8} {tool.name:16} {sample.wall:8.3f} s{'' if keep and not first else '  (not counted)'}")

    server = place.mailbox.server
    for tool in turned:
        home = place.folder / f"{number}-{tool.name}"
        home.mkdir()
        access = Access(port, place.mailbox.user, place.mailbox.password, server.authority)
        homes[tool.name] = tool.prepare(home, access)
    for tool in turned:
        run("initial", tool)
    for again in range(SAME + 1):  # the first after a large run meets what that left to the system to do
        for tool in turned:
            run("same", tool, keep=again > 0)
    for again in range(CHANGES):
        place.mailbox.change(100 * number + again, Corpus(f"change {number} {again}", small=True))
        time.sleep(1.1)  # mbsync waits for the next second when its folder changed in this one
        for tool in turned:
            run("delta", tool)
    for tool in turned:
        shutil.rmtree(place.folder / f"{number}-{tool.name}")


def durable_round(place: Place, tools: Sequence[Tool], number: int, found: Found) -> None:
    """The initial sync to a real disk, of those that make it durable, without TLS. Nothing is removed until the end:
    ext4 makes files up to five times slower for minutes after many were deleted."""
    turned = [*tools[number % len(tools) :], *tools[: number % len(tools)]]
    for tool in turned:
        home = place.folder / f"durable-{number}-{tool.name}"
        home.mkdir()
        command = tool.prepare(home, Access(place.port, place.mailbox.user, place.mailbox.password, None))
        os.sync()
        sample = measure(place.programs, command.argv, command.env)
        say(f"  durable  {tool.name:16} {sample.wall:8.3f} s{'  (not counted)' if number == 0 else ''}")
        found.samples["durable", tool.name] += [sample] * (number > 0)


def measured(options: argparse.Namespace, tools: Sequence[Tool]) -> list[Row]:
    """All rows."""
    rows: list[Row] = []
    with contextlib.ExitStack() as stack:
        disk = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailctl-bench-", dir=options.disk)))
        memory = disk
        if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > 4 << 30:
            memory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailctl-bench-", dir=_MEMORY)))
        else:
            say("no tmpfs at /dev/shm with 4 GB: everything is measured on the disk")
        for folder in (disk, memory):
            folder.chmod(0o711)  # for getmail, which takes another account than root's
        server = stack.enter_context(running())
        dovecot = server.dovecot
        for kind in options.sizes:
            mailbox = make_mailbox(server, kind)
            say(f"mailbox {kind}: {sum(count for _, count in mailbox.folders)} messages, {mailbox.octets / 1e6:.0f} MB")
            chosen = [t for t in tools if options.all or not t.most or (kind.isdigit() and int(kind) <= t.most)]
            for rtt in options.rtt:
                found = Found()
                with contextlib.ExitStack() as lines:
                    line = lines.enter_context(Line(disk, dovecot.imaps, rtt, options.rate))
                    if rtt:
                        taken = round_trip(line.port, server.authority, mailbox.user, mailbox.password)
                        line.traffic()
                        say(f"round trip {rtt:g} ms: a NOOP takes {taken:.2f} ms")
                        if not rtt <= taken <= rtt * 1.05 + 1:
                            say("  that is not what the proxy was told; is the machine busy?")
                    direct = rtt == 0 and not options.rate
                    place = Place(mailbox, line, dovecot.imaps if direct else line.port, memory, disk)
                    for number in range(options.rounds + 1):
                        now = [t for t in chosen if t.steady and number <= (t.rounds or number)]
                        say(f"{kind}, {rtt:g} ms, round {number}")
                        one_round(place, now, number, found)
                    lasting = [t for t in chosen if t.durable and t.name != "mailctl-mirror"]
                    if direct and kind == options.durable and len(lasting) > 1:
                        plain = Place(mailbox, line, dovecot.imap, disk, disk)
                        for number in range(options.rounds + 1):
                            durable_round(plain, lasting, number, found)
                rows += found.rows(kind, rtt)
    return rows


def as_json(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> str:
    """Both as one JSON object; seconds, MB."""
    references = {(row.mailbox, row.rtt, row.step): row for row in rows if row.tool == REFERENCE}
    listed = []
    for row in rows:
        reference = references.get((row.mailbox, row.rtt, row.step))
        listed.append(
            {
                **{name: getattr(row, name) for name in ("mailbox", "rtt", "step", "tool")},
                **{name: getattr(row, name) for name in ("wall", "least", "cpu", "peak")},
                "ratio": ratio(row, reference)[0] if reference else None,
                "samples": [asdict(sample) for sample in row.samples],
                "traffic": asdict(row.traffic),
            }
        )
    goals = [
        {
            **{name: getattr(each.row, name) for name in ("mailbox", "rtt", "step", "tool")},
            "goal": asdict(each.goal),
            **{name: getattr(each, name) for name in ("reached", "of_least", "holds")},
        }
        for each in verdicts
    ]
    return json.dumps({"rows": listed, "goals": goals}, indent=1)


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sync", description=__doc__.split("\n")[0])
    words = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--sizes", type=words, default="1000,10000,folders,delta", help="numbers, folders, delta")
    parser.add_argument("--rtt", type=lambda text: [float(word) for word in text.split(",")], default="0,40")
    parser.add_argument("--tools", type=words, default=None, help=", ".join(TOOLS))
    parser.add_argument("--rounds", type=int, default=3, help="besides the first, which is not counted")
    parser.add_argument("--durable", default="10000", metavar="SIZE", help="the mailbox for that step; `no`: none")
    parser.add_argument("--rate", type=float, default=0, metavar="MBIT", help="of the line; default: no limit")
    parser.add_argument("--disk", type=Path, default=None, metavar="DIR", help="a folder on a real disk")
    parser.add_argument("--all", action="store_true", help="the slow tools with every size, which takes hours")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    if unknown := set(options.tools or []) - set(TOOLS):
        parser.error(f"no tool {', '.join(sorted(unknown))}; there are {', '.join(TOOLS)}")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, judge."""
    options = parsed(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left in memory
    names = options.tools or [name for name in TOOLS if name != "mailctl-mirror"]
    tools = []
    for tool in (TOOLS[name] for name in names):
        if tool.path():
            tools.append(tool)
        else:
            say(f"left out: {tool.name}, which package {tool.package} has")
    try:
        rows = measured(options, tools)
    except (NoServerError, NoCompilerError) as error:
        say(str(error))
        return 2
    verdicts = judged(rows)
    if options.json:
        print(as_json(rows, verdicts))
    else:
        print_rows(rows)
        print_verdicts(verdicts)
    return 0 if all(verdict.holds for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
