"""Whose words came in place of the server that was asked: hotels, hosters and filters answer for others."""

import re
from collections.abc import Iterable, Mapping, Sequence

from mailctl.diagnosis.closer.looks import UNTRUSTED, Seen
from mailctl.diagnosis.closer.network import is_public
from mailctl.diagnosis.closer.told import NOTHING, Told, quoted, site
from mailctl.domain.check import CheckJob, StageReport
from mailctl.domain.provider import Provider

_NAME = re.compile(r"(?<![\w.@-])(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}(?![\w@-])")
_LOCATION = re.compile(r"(?i)\blocation: *https?://([A-Za-z0-9.-]{1,253})")
_COMMON_NAME = re.compile(r"(?:^|,)CN=([^,]{1,255})")
_FILES = (".html", ".htm", ".php", ".com/", ".net/")
_LONGEST = 2000
_DOUBTFUL = UNTRUSTED | frozenset(
    {"starttls_unavailable", "wrong_protocol", "tls_on_plain_port", "protocol_violation", "plain_on_tls_port"}
)
"""Causes by which nothing proves that the peer is the one that was asked."""


def told_answerer(
    job: CheckJob, cause: str, stages: Sequence[StageReport], server_text: str, detail: Mapping[str, object], seen: Seen
) -> Told:
    """What the names in greetings and certificates tell of a peer that failed for `cause` before TLS proved it."""
    if cause not in _DOUBTFUL:
        return NOTHING
    public = _standing(job, seen.owner)
    greetings = [str(stage.detail.get(key, "")) for stage in stages for key in ("greeting", "server_name")]
    greetings += [server_text, *(each.text for each in seen.ports if each.port == job.endpoint.port)]
    location = next((found[1] for text in greetings if (found := _LOCATION.search(text[:_LONGEST]))), "")
    if location and site(location) != site(job.endpoint.host):
        return Told(public | {"greets:elsewhere"}, (f"A web server answered that sends to {quoted(location)}.",))
    own = _own_sites(job, seen.owner)
    strange = [name for text in greetings for name in names_in(text) if site(name) not in own]
    if strange:
        return Told(public | {"greets:elsewhere"}, (f"What answered calls itself {quoted(strange[0])}.",))
    held = detail.get("names")
    certified = [str(each).removeprefix("*.") for each in held] if isinstance(held, list | tuple) else []
    certified = certified or _COMMON_NAME.findall(str(detail.get("subject", "")))
    if certified and not any(site(name) in own for name in certified):
        return Told(public | {"cert:elsewhere"})
    return Told(public)


def names_in(text: str) -> Iterable[str]:
    """Host names at the beginning of a greeting: of the server itself, not of what else it talks about."""
    first = text[:_LONGEST].split("\n")[0]
    if first.upper().startswith(("HTTP/", "<", "SSH-")):
        return []
    return [name for name in _NAME.findall(first) if not name.lower().endswith(_FILES)][:1]


def _standing(job: CheckJob, owner: Provider | None) -> frozenset[str]:
    """What may be expected of the host by what is known of its provider."""
    if owner is None or not is_public(owner):
        return frozenset()
    asked = job.endpoint
    known = [
        each for each in owner.endpoints.get(job.protocol, ()) if (each.host, each.port) == (asked.host, asked.port)
    ]
    return frozenset({"host:public", *(f"{each.security.value}:promised" for each in known)})


def _own_sites(job: CheckJob, owner: Provider | None) -> set[str]:
    hosts = {job.endpoint.host}
    if owner is not None:
        hosts |= {each.host for found in owner.endpoints.values() for each in found} | set(owner.domains)
    return {site(host) for host in hosts}
