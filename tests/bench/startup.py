"""Cold start, as ratios to `python -c pass` measured side by side in one run.

    python -m tests.bench.startup        prints the table; exit 1 if a goal is missed

The goals: `--version` at most 2 times, `--help` and `gateway list --json` with 10 gateways at most 8 times a bare
Python; 1,000 gateways listed within a second.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 15


def prepare(home: Path, gateways: int) -> dict[str, str]:
    """A home with one server and that many gateways; returns the environment for it."""
    config = home / ".config/mailctl"
    (config / "servers").mkdir(parents=True, mode=0o700)
    (config / "gateways").mkdir(mode=0o700)
    server = '[imap]\nhost = "imap.example.org"\nport = 993\nsecurity = "tls"\n'
    (config / "servers/example.toml").write_text(server)
    for number in range(gateways):
        email = f"user{number}@example.org"
        text = f'server = "example"\nemail = "{email}"\n\n[login]\nuser = "{email}"\nsecret = "keyring"\n'
        (config / f"gateways/g{number}.toml").write_text(text)
    return {"HOME": str(home), "PATH": os.environ["PATH"]}


def seconds(command: list[str], env: dict[str, str]) -> float:
    """Wall time of one run; a run that fails ends the benchmark."""
    begin = time.perf_counter()
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL, timeout=60)
    return time.perf_counter() - begin


def main() -> int:
    """Measure, print, judge."""
    program = str(Path(sys.executable).with_name("mailctl"))
    with tempfile.TemporaryDirectory() as folder:
        ten, thousand = prepare(Path(folder) / "ten", 10), prepare(Path(folder) / "thousand", 1000)
        bare = [sys.executable, "-c", "pass"]
        goals = {
            "--version": ([program, "--version"], ten, 2.0),
            "--help": ([program, "--help"], ten, 8.0),
            "gateway list --json (10)": ([program, "gateway", "list", "--json"], ten, 8.0),
        }
        ratios: dict[str, list[float]] = {name: [] for name in goals}
        for command, env, _ in goals.values():
            seconds(command, env)
        for _ in range(ROUNDS):
            base = seconds(bare, ten)
            for name, (command, env, _) in goals.items():
                ratios[name].append(seconds(command, env) / base)
        missed = 0
        for name, (_, _, goal) in goals.items():
            median = statistics.median(ratios[name])
            missed += median > goal
            print(f"{name:28} {median:5.2f} x bare Python   (goal {goal:g})   {'ok' if median <= goal else 'MISSED'}")
        wall = statistics.median(seconds([program, "gateway", "list", "--json"], thousand) for _ in range(5))
        missed += wall > 1.0
        print(f"{'gateway list --json (1,000)':28} {wall:5.2f} s   (goal 1)   {'ok' if wall <= 1 else 'MISSED'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
