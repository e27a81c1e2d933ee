"""Builds the support bundle of checks, and looks whether a secret stands in it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from mailctl.domain.check import CheckReport
from mailctl.domain.effective import EffectiveGateway
from mailctl.domain.probe import ProbeReport
from mailctl.domain.report import SCHEMA, Report, Setup, summarize
from mailctl.domain.secret import Secret, like_a_word, mask_own, mask_within, stands_in
from mailctl.domain.server import Server
from mailctl.domain.units import seconds_text, size_text


def build(
    reports: Sequence[CheckReport],
    probes: Sequence[ProbeReport],
    joined: Sequence[EffectiveGateway],
    versions: Mapping[str, str],
    made_at: datetime,
) -> Report:
    """The report on `reports` and `probes`, those that failed first; and the set-up of the gateways `joined`."""
    reports = sorted(reports, key=lambda report: report.ok)
    servers = {each.server.name: each.server for each in joined}
    setups = (*map(gateway_setup, joined), *map(server_setup, servers.values()))
    return Report(SCHEMA, made_at, dict(versions), summarize(reports), tuple(reports), setups, tuple(probes))


def gateway_setup(joined: EffectiveGateway) -> Setup:
    """A gateway as it works. Of a secret only the kind of its source: commands and paths may tell secrets."""
    gateway = joined.gateway
    settings: dict[str, Any] = {
        "server": gateway.server,
        "email": gateway.email,
        "enabled": gateway.enabled,
        "protocols": ", ".join(protocol.value for protocol in joined.protocols) or "none",
        "allow_plaintext": gateway.allow_plaintext,
    }
    for role, login in gateway.logins.items():
        settings |= {f"{role.value}.user": login.user, f"{role.value}.secret": login.secret.kind.value}
    for table, values in (("inbound", joined.inbound), ("outbound", joined.outbound)):
        for each in fields(values):
            value = getattr(values, each.name)
            if value is not None and each.name != "maildir":
                settings[f"{table}.{each.name}"] = _in_units(each.name, value)
    return Setup("gateway", gateway.name, {key: _word(value) for key, value in settings.items()})


def server_setup(server: Server) -> Setup:
    """A server's endpoints, and whose certificates it believes."""
    settings: dict[str, Any] = {"preset": server.provider or "none"}
    for protocol, endpoint in server.endpoints.items():
        settings[protocol.value] = f"{endpoint} {endpoint.security.value}"
    policy = server.certificate
    settings |= {
        "certificate.verify": policy.verify,
        "certificate.own_authority": policy.ca_file is not None,
        "certificate.pinned": len(policy.fingerprints),
        "certificate.minimum_tls": policy.minimum_tls,
    }
    return Setup("server", server.name, {key: _word(value) for key, value in settings.items()})


def masked(plain: Any) -> Any:
    """Plain values of a report, with what this process knows to be secret masked, as in all that mailctl shows."""
    return mask_within(plain, mask_own)


def betrayed(outside: str, documents: Sequence[str], secrets: Mapping[str, Secret]) -> list[str]:
    """The names of the `secrets` that stand in a report: in what came from outside, or in a document made of it.

    A secret that could be a word is looked for in what came from outside, and only if it isn't all letters: `mail`
    stands in every report, and refusing it would tell everybody whose password that is.
    """
    words = {name: secret for name, secret in secrets.items() if like_a_word(secret)}
    odd = {name: secret for name, secret in words.items() if not secret.reveal().isalpha()}
    others = {name: secret for name, secret in secrets.items() if name not in words}
    return [*stands_in(odd, outside), *stands_in(others, "\n".join((outside, *documents)))]


def from_outside(report: Report) -> str:
    """Every text of the report that a server has had a hand in, with what is known to be secret by now masked."""
    return mask_own("\n".join(_from_outside(report)))


def _from_outside(report: Report) -> Iterator[str]:
    both: list[CheckReport | ProbeReport] = [*report.checks, *report.probes]
    for check in both:
        yield check.server_text
        yield check.message
        yield from check.transcript
        yield from check.evidence
        yield from (finding.text for finding in check.findings)
        for stage in check.stages:
            yield from _texts(stage.detail)
    for probe in report.probes:
        yield from (hop.by for hop in probe.hops)
        if probe.authentication_results:
            yield probe.authentication_results.server
            yield from (each.result for each in probe.authentication_results.results)
            yield from (text for each in probe.authentication_results.results for text in each.properties.values())


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for item in value.values():
                yield from _texts(item)
        case list() | tuple():
            for item in value:
                yield from _texts(item)


def _in_units(name: str, value: Any) -> Any:
    if name in ("max_size", "attachment_limit"):
        return size_text(value)
    return seconds_text(value) if name == "interval" else value


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
