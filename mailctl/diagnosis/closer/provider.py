"""What the facts on a provider tell where another of its ports or hosts was asked than serves the protocol."""

from mailctl.diagnosis.closer.looks import MISPLACED, Seen
from mailctl.diagnosis.closer.network import USE, is_public
from mailctl.diagnosis.closer.told import NOTHING, Told, step
from mailctl.domain.check import CheckJob
from mailctl.domain.provider import Confidence


def told_provider(job: CheckJob, cause: str, seen: Seen) -> Told:
    """Where the provider of the host serves the protocol, if not where the check looked. cause: of the failure."""
    owner, asked = seen.owner, job.endpoint
    if owner is None or not is_public(owner) or cause not in MISPLACED:
        return NOTHING
    name, protocol = owner.name.partition(" (")[0], job.protocol.upper()
    known = [each for each in owner.endpoints.get(job.protocol, ()) if "{" not in each.host]
    host = asked.host.lower().rstrip(".")
    if any((each.host, each.port, each.security) == (host, asked.port, asked.security) for each in known):
        return NOTHING
    if known:
        best = known[0]
        return Told(
            frozenset({"provider:elsewhere"}),
            (f"{name} serves {protocol} at {best.host}, port {best.port}.",),
            (step(USE, job, where=str(best), security=best.security.value),),
        )
    if owner.endpoints and owner.endpoints_confidence is Confidence.HIGH:
        return Told(frozenset({"provider:without_protocol"}), (f"{name} is not known to offer {protocol}.",))
    return NOTHING
