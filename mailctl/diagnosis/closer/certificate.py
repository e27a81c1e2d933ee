"""What a certificate that was not accepted tells: by whom, for whom, until when, and who else may stand on the way."""

import re
from collections.abc import Mapping, Sequence

from mailctl.diagnosis.closer.looks import UNTRUSTED, Seen
from mailctl.diagnosis.closer.network import is_public
from mailctl.diagnosis.closer.told import NOTHING, Told, quoted, site, step
from mailctl.domain.check import CheckJob

FEW = 5
"""Names of a certificate that are quoted."""
_INSPECTORS = (
    ("antivirus", r"avast", "Avast"),
    ("antivirus", r"\bAVG\b", "AVG"),
    ("antivirus", r"kaspersky", "Kaspersky"),
    ("antivirus", r"\bESET\b", "ESET"),
    ("antivirus", r"bitdefender", "Bitdefender"),
    ("antivirus", r"norton|symantec web", "Norton"),
    ("antivirus", r"mcafee", "McAfee"),
    ("antivirus", r"dr\.? ?web\b", "Dr.Web"),
    ("antivirus", r"g ?data (?:mail|web|ssl|root)", "G DATA"),
    ("antivirus", r"adguard", "AdGuard"),
    ("antivirus", r"trend ?micro", "Trend Micro"),
    ("antivirus", r"avira", "Avira"),
    ("antivirus", r"bullguard", "BullGuard"),
    ("proxy", r"zscaler", "Zscaler"),
    ("proxy", r"fortinet|fortigate", "Fortinet"),
    ("proxy", r"sophos", "Sophos"),
    ("proxy", r"cisco umbrella|ironport", "Cisco"),
    ("proxy", r"palo alto", "Palo Alto Networks"),
    ("proxy", r"netskope", "Netskope"),
    ("proxy", r"blue ?coat", "Blue Coat"),
    ("proxy", r"forcepoint|websense", "Forcepoint"),
    ("proxy", r"check ?point", "Check Point"),
    ("proxy", r"sonicwall", "SonicWall"),
    ("proxy", r"watchguard", "WatchGuard"),
    ("proxy", r"barracuda", "Barracuda"),
    ("proxy", r"untangle", "Untangle"),
    ("proxy", r"pfsense|opnsense", "pfSense or OPNsense"),
    ("proxy", r"\bsquid\b|mitmproxy|portswigger|fiddler|charles proxy", "a debugging or filtering proxy"),
)
"""Whose roots stand behind certificates made on the way: on this machine (antivirus), or in the network (proxy)."""
_AUTHORITIES = re.compile(
    r"(?:^|,)O=(?:Let's Encrypt|DigiCert|Sectigo|GlobalSign|Google Trust Services|Amazon|GoDaddy|Starfield|Entrust"
    r"|Microsoft Corporation|ZeroSSL|SSL Corp|Actalis|Buypass|Certum|Asseco|Unizeto|D-Trust|Deutsche Telekom Security"
    r"|T-Systems|Hellenic Academic|SwissSign|QuoVadis|IdenTrust|Internet Security Research Group|Apple Inc|USERTRUST"
    r"|The USERTRUST|COMODO|GEANT|TrustAsia|Telia|Network Solutions|Gandi|RapidSSL|GeoTrust|thawte|WISeKey|Certainly)",
    re.IGNORECASE,
)
"""Organisations whose roots every system's store holds."""
_UNTRUSTED = UNTRUSTED - {"tls_hostname_mismatch"}
_JUDGED = _UNTRUSTED | {"tls_expired", "tls_clock", "tls_hostname_mismatch"}
_PINNED = frozenset({"cert:self_signed", "cert:private_root", "cert:not_pinned"})
"""What is settled by comparing fingerprints with whoever runs the server."""
_OTHER_NAME = (
    "If {name} is what your provider calls its server, use that name: `mailctl server edit {server} --{flag} {where}`."
)


def told_certificate(job: CheckJob, cause: str, detail: Mapping[str, object], seen: Seen) -> Told:
    """What a certificate that was refused for `cause` tells. detail: facts of it (see `tls` and `certificate`)."""
    if cause not in _JUDGED or "issuer" not in detail:
        return NOTHING
    names, issuer, subject = _texts(detail.get("names")), str(detail["issuer"]), str(detail.get("subject", ""))
    matches = any(name_fits(job.endpoint.host, name) for name in names)
    facts = {"cert:for_host" if matches else "cert:other_name"}
    if detail.get("names") == []:
        facts.add("cert:nameless")
    if is_public(seen.owner):
        facts.add("host:public")
    says: list[str] = []
    steps: list[str] = []
    if cause in ("tls_expired", "tls_clock"):
        says += _dates(cause, detail)
    if not matches and names:
        more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
        says.append(f"The certificate is for {', '.join(map(quoted, names[:FEW]))}{more}.")
        steps += _better_name(job, names) if cause == "tls_hostname_mismatch" and not is_public(seen.owner) else []
    if cause in _UNTRUSTED:
        told = _issuer(issuer, subject, detail)
        says += _dates_too(detail)
        if not is_public(seen.owner) and told.facts & _PINNED and "fingerprint" in detail:
            says.append(f"Its fingerprint is sha256:{detail['fingerprint']}.")
        return Told(frozenset(facts) | told.facts, (*told.says, *says), tuple(steps))
    return Told(frozenset(facts), tuple(says), tuple(steps))


def inspector(issuer: str) -> tuple[str, str, str] | None:
    """Who opens encrypted connections and signs like that: (`antivirus` or `proxy`, where, product); None if nobody."""
    for kind, pattern, product in _INSPECTORS:
        if re.search(pattern, issuer, re.IGNORECASE):
            return kind, "on this machine" if kind == "antivirus" else "in the network", product
    return None


def _issuer(issuer: str, subject: str, detail: Mapping[str, object]) -> Told:
    """Who vouches for it, and what the server sent along."""
    chain = detail.get("chain")
    others = [each for each in chain if isinstance(each, Mapping)] if isinstance(chain, list) else []
    said = " ".join((issuer, *(f"{each.get('subject')} {each.get('issuer')}" for each in others)))
    if found := inspector(said):
        kind, where, product = found
        return Told(
            frozenset({f"cert:{kind}"}),
            (f"The certificate was made {where} by {product}: issued by {quoted(issuer)}.",),
        )
    facts: set[str] = set()
    says: list[str] = [
        f"The certificate names itself {quoted(subject)}."
        if issuer == subject
        else f"The certificate was issued by {quoted(issuer)}."
    ]
    known = bool(_AUTHORITIES.search(said))
    rooted = any(each.get("subject") == each.get("issuer") for each in others)
    if "sent" not in detail:  # one that was pinned, or should have been: nothing is said of its chain
        facts.add("cert:not_pinned")
    elif issuer == subject:
        facts.add("cert:self_signed")
    elif detail.get("sent") == 1 and (known or detail.get("issuer_url") is True):
        facts.add("cert:chain_incomplete")
        says.append("The server sent it alone, without its issuer's.")
    elif known:
        facts.add("cert:public_issuer")
    elif rooted or detail.get("issuer_url") is False:
        facts.add("cert:private_root")
    return Told(frozenset(facts), tuple(says))


def _dates(cause: str, detail: Mapping[str, object]) -> list[str]:
    clock = str(detail.get("clock", ""))[:16].replace("T", " ")
    if not clock:
        return []
    begins = cause == "tls_clock"
    what = (
        f"begins on {str(detail.get('not_before'))[:10]}" if begins else f"ended on {str(detail.get('not_after'))[:10]}"
    )
    return [f"The certificate {what}; the clock of this machine says {clock} UTC."]


def _dates_too(detail: Mapping[str, object]) -> list[str]:
    """What its dates say of a certificate that has another fault already, so that it isn't found out one by one."""
    days, clock = detail.get("days_left"), str(detail.get("clock", ""))
    if isinstance(days, int) and days < 0:
        return [f"It has expired as well, on {str(detail.get('not_after'))[:10]}."]
    if clock and str(detail.get("not_before", "")) > clock:
        return [f"It is not valid yet either, only from {str(detail.get('not_before'))[:10]} on."]
    return []


def _better_name(job: CheckJob, names: Sequence[str]) -> list[str]:
    """The step to a name that the certificate holds: of the same house, else one that looks like a mail server's."""
    whole = [name for name in names if "*" not in name and re.fullmatch(r"[A-Za-z0-9.-]+\.[A-Za-z]{2,}", name)]

    def order(name: str) -> tuple[bool, bool, int]:
        mail = name.startswith((f"{job.protocol.value}.", "mail.", "mx", "smtp", "imap", "pop"))
        return site(name) != site(job.endpoint.host), not mail, len(name)

    best = min(whole, key=order, default="")
    where = f"{best}:{job.endpoint.port}"
    return [step(_OTHER_NAME, job, name=best, where=where)] if best and best not in ("localhost",) else []


def name_fits(host: str, name: str) -> bool:
    """Whether a name of a certificate is for `host` (RFC 9525: a `*` stands for the whole of the first label)."""
    host, name = _ascii(host.lower().rstrip(".")), name.lower()
    return host == name or (name.startswith("*.") and host.partition(".")[2] == name[2:] and "." in host)


def _ascii(host: str) -> str:
    """`host` as certificates spell it, as far as IDNA 2003 tells; as it is where that fails."""
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else []
