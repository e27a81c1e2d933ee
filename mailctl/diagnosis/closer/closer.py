"""The closer look at a failure: what the certificate, the greeting and second looks tell, in one value."""

from collections.abc import Sequence
from dataclasses import replace

from mailctl.diagnosis.closer.answerer import told_answerer
from mailctl.diagnosis.closer.certificate import told_certificate
from mailctl.diagnosis.closer.looks import Seen, look, wanted
from mailctl.diagnosis.closer.network import told_addresses, told_family, told_home, told_host, told_ports, told_time
from mailctl.diagnosis.closer.provider import told_provider
from mailctl.diagnosis.closer.told import NOTHING, Told
from mailctl.diagnosis.verdict import Verdict
from mailctl.domain.check import CheckJob, StageReport
from mailctl.domain.deadline import Deadline
from mailctl.domain.look import Looks
from mailctl.domain.secret import mask
from mailctl.errors import MailctlError


def closer_look(
    job: CheckJob,
    verdict: Verdict,
    stages: Sequence[StageReport],
    error: MailctlError,
    looks: Looks | None,
    deadline: Deadline,
) -> Told:
    """What there is to tell beyond `verdict`, the first reading of `error`, which ended the last of `stages`.

    looks: carries out second looks, within `deadline`; None: only what is there already is looked at.
    """
    stage, cause = stages[-1].name, verdict.cause
    want = wanted(job, stage, cause, sure=verdict.confidence == "high")
    seen = look(want, job, _other_family(stages), looks, deadline) if looks else Seen()
    provider, ports = told_provider(job, cause, seen), told_ports(job, cause, seen)
    if "provider:elsewhere" in provider.facts and "ports:none" in ports.facts:
        ports = NOTHING  # the host was never meant to have them
    told = (
        told_time(job, cause)
        | told_addresses(job, cause, _addresses(stages), seen)
        | told_family(job, seen)
        | provider
        | ports
        | told_host(job, stage, seen)
        | told_home(job, stage, seen)
        | told_certificate(job, cause, error.detail, seen)
        | told_answerer(job, cause, stages, error.server_text, error.detail, seen)
    )
    return replace(told, says=tuple(mask(each) for each in told.says), steps=tuple(mask(each) for each in told.steps))


def _addresses(stages: Sequence[StageReport]) -> list[str]:
    """The addresses of the host, as the stage "dns" learnt them."""
    known = next((stage.detail.get("addresses") for stage in stages if stage.name == "dns"), ())
    return [str(each) for each in known] if isinstance(known, list | tuple) else []


def _other_family(stages: Sequence[StageReport]) -> str:
    """The address family that the host has and the connection did not use, by what the stages learnt; ""."""
    used = next((stage.detail.get("address") for stage in stages if stage.name == "tcp"), None)
    if not isinstance(used, str):
        return ""
    over_6 = ":" in used
    return ("IPv4" if over_6 else "IPv6") if any((":" in each) is not over_6 for each in _addresses(stages)) else ""
