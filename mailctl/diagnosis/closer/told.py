"""What a closer look tells: facts for the knowledge, sentences for people, steps; and how they join a verdict."""

from collections.abc import Iterable
from dataclasses import replace

from mailctl.diagnosis.verdict import Verdict
from mailctl.domain.check import CheckJob
from mailctl.domain.record import dataclass

LONGEST = 160
"""Characters of somebody else's words that are quoted."""
_NAME = "NAME"
_DISCOVER = "`mailctl server discover "


@dataclass(frozen=True, slots=True)
class Told:
    """facts: as the knowledge names them. says: whole sentences. steps: what to do first, before all else."""

    facts: frozenset[str] = frozenset()
    says: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()

    def __or__(self, other: "Told") -> "Told":
        return Told(self.facts | other.facts, _once(self.says + other.says), _once(self.steps + other.steps))


NOTHING = Told()


def with_told(verdict: Verdict, told: Told) -> Verdict:
    """`verdict` with the sentences in its explanation and evidence, and the steps before its own."""
    if not told.says and not told.steps:
        return verdict
    own = (each for each in verdict.remedy if not _in_particular(each, told.steps))
    return replace(
        verdict,
        explanation=" ".join((verdict.explanation, *told.says)),
        evidence=_once(verdict.evidence + told.says),
        remedy=_once((*told.steps, *own)),
    )


def _in_particular(general: str, steps: Iterable[str]) -> bool:
    """Whether `general` advises discovery for some address, and one of `steps` for the one in question."""
    return f"{_DISCOVER}ADDRESS" in general and any(_DISCOVER in each for each in steps)


def step(template: str, job: CheckJob, **values: str) -> str:
    """A step in which `{server}`, `{gateway}`, `{flag}` and the names of `values` are filled in."""
    places = {"server": job.server or _NAME, "gateway": job.gateway or _NAME, "flag": job.protocol.value, **values}
    for place, value in places.items():
        template = template.replace("{" + place + "}", value)
    return template


def quoted(text: str) -> str:
    """Words of somebody else's, marked as such, whatever they imitate, and cut where they are long."""
    shown = " ".join(text.split()).replace('"', "'")
    return f'"{shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"}"'


def site(host: str) -> str:
    """The part of a host name that tells whose it is: `example.org` of `imap.example.org`, as far as one can guess.

    There is no list of public suffixes here: of `co.uk` and its like the label before it counts too.
    """
    labels = host.lower().rstrip(".").split(".")
    second_level = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3 if second_level else -2 :])


_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "go", "gov", "ne", "net", "nom", "or", "org"})


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
