"""The pure parts of the benchmarks: goals, ratios, the corpus."""

from tests.bench.corpus import Corpus, few_folders, many_folders
from tests.bench.goals import Row, judged, ratio
from tests.bench.programs import Sample, Traffic


def row(tool: str, *walls: float, mailbox: str = "10000", step: str = "initial", rtt: float = 40) -> Row:
    return Row(mailbox, rtt, step, tool, [Sample(wall, wall / 2, 20_480) for wall in walls], Traffic())


def test_ratios_are_of_runs_side_by_side() -> None:
    ours, theirs = row("mailctl", 1, 6, 2), row("mbsync-nc", 2, 10, 4)
    assert ratio(ours, theirs) == (0.5, 0.5)
    assert (ours.wall, ours.least, ours.cpu, ours.peak) == (2, 1, 1, 20)


def test_goals_are_judged_against_their_peer() -> None:
    (met,) = judged([row("mailctl", 7), row("mbsync-nc", 10), row("mbsync", 100)])
    assert met.holds
    (missed,) = judged([row("mailctl", 8), row("mbsync-nc", 10)])
    assert not missed.holds
    assert judged([row("mailctl", 8)]) == [], "no peer, no verdict"
    assert judged([row("mailctl", 8, rtt=20), row("mbsync-nc", 10, rtt=20)]) == [], "no goal"
    (absolute,) = judged([row("mailctl", 0.1, mailbox="1000", step="same", rtt=0)])
    assert absolute.holds


def test_the_corpus_is_the_same_for_the_same_name() -> None:
    first, again, other = (list(Corpus(name).messages(300)) for name in ("a", "a", "b"))
    assert first == again
    assert first != other
    mean = sum(len(message.data) for message in first) / 300
    assert 30_000 < mean < 120_000
    assert max(len(message.data) for message in Corpus("a", small=True).messages(300)) < 7000
    assert all(b"\r" not in message.data and message.data.endswith(b"\n") for message in first)


def test_folders_add_up() -> None:
    assert sum(count for _, count in few_folders(1001)) == 1001
    assert len({name for name, _ in many_folders(200, 2000)}) == 200
