"""What monitors read: Nagios' plugin output and Prometheus' text format, with hostile text in both."""

import re
import unicodedata
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from mailctl.domain.check import CheckReport
from mailctl.domain.probe import ProbeReport
from mailctl.errors import ExitCode
from mailctl.output import nagios, prometheus
from mailctl.output.nagios import State
from tests.unit.reports import BAD, EXPIRY, GOOD, WARNED, hostile

ANY = st.text(st.characters(), max_size=60)
SECRET_MISSING = replace(BAD, exit_code=ExitCode.SECRET, cause="secret_unavailable", stages=())
LOST = ProbeReport("anna", "anna@example.org", ok=False, stage="find", cause="not_found", exit_code=ExitCode.REFUSED)
ARRIVED = ProbeReport("anna", "anna@example.org", ok=True, sent="yes", delay_ms=2100.0)
PERFORMANCE = re.compile(r"('([^']|'')+'=\d+\.\d{3}s;;;0 ?)+")


@pytest.mark.parametrize(
    ("reports", "errors", "state"),
    [
        ([GOOD], [], State.OK),
        ([GOOD, WARNED], [], State.WARNING),
        ([WARNED, BAD, SECRET_MISSING], [], State.CRITICAL),
        ([GOOD, WARNED, SECRET_MISSING], [], State.UNKNOWN),
        ([GOOD], ["broken.toml can't be read"], State.UNKNOWN),
        ([BAD], ["broken.toml can't be read"], State.CRITICAL),
        ([], ["There is no gateway to test"], State.UNKNOWN),
        ([GOOD, LOST], [], State.CRITICAL),
        ([GOOD, ARRIVED], [], State.OK),
        ([], [], State.UNKNOWN),
    ],
)
def test_the_worst_decides(reports: list[CheckReport], errors: list[str], state: State) -> None:
    text, found = nagios.render(reports, errors)
    assert found is state
    assert text.startswith(f"MAIL {state.name} - ")


def test_one_check_is_one_line() -> None:
    assert nagios.render([GOOD], [])[0] == "MAIL OK - anna SMTP ok in 100 ms | 'anna SMTP'=0.100s;;;0"
    text, _ = nagios.render([BAD], [])
    assert text == (
        "MAIL CRITICAL - anna IMAP failed at authenticate: bad_credentials: The server says that user name and "
        "password don't belong together. | 'anna IMAP'=0.400s;;;0"
    )


def test_several_have_a_line_each_worst_first() -> None:
    text, _ = nagios.render([GOOD, WARNED, BAD, LOST], ["broken"])
    head, *lines = text.splitlines()
    assert head.startswith(
        "MAIL CRITICAL - 3 checks: 2 ok, 1 of them with warnings, 1 bad_credentials; 1 message failed; broken | "
    )
    assert [line.split(" ")[0] for line in lines] == ["CRITICAL", "CRITICAL", "WARNING", "OK", "UNKNOWN"]
    assert "expires in 9 days" in text


@given(ANY)
def test_C_no_text_breaks_the_plugin_output(text: str) -> None:
    found, _ = nagios.render([hostile(text), replace(GOOD, gateway=f"x{text}"), GOOD], [text])
    lines = found.split("\n")
    assert len(lines) == 5
    assert "|" not in "".join(lines[1:])
    assert lines[0].count("|") == 1
    assert PERFORMANCE.fullmatch(lines[0].partition("| ")[2])
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for line in lines for c in line)


def samples(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text + "\n"):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_prometheus_itself_reads_the_metrics() -> None:
    found = samples(prometheus.render([BAD, GOOD, WARNED], [ARRIVED, replace(LOST, gateway="bert")]))
    imap, smtp = {"gateway": "anna", "protocol": "imap"}, {"gateway": "anna", "protocol": "smtp"}
    bert = {"gateway": "bert", "protocol": "smtp"}
    assert found["mailctl_check_success"] == [(imap, 0.0), (smtp, 1.0), (bert, 1.0)]
    assert found["mailctl_check_warnings"] == [(imap, 0.0), (smtp, 0.0), (bert, 1.0)]
    assert (imap | {"stage": "authenticate"}, 0.3) in found["mailctl_check_duration_seconds"]
    assert "select" not in {labels["stage"] for labels, _ in found["mailctl_check_duration_seconds"]}
    expiry = datetime.fromisoformat(EXPIRY).timestamp()
    assert (imap, expiry) in found["mailctl_certificate_expiry_timestamp_seconds"]
    info, value = found["mailctl_check_info"][0]
    assert (info["cause"], info["stage"], info["endpoint"], value) == (
        *("bad_credentials", "authenticate", "imap.example.org:993"),
        1.0,
    )
    assert found["mailctl_message_success"] == [({"gateway": "anna"}, 1.0), ({"gateway": "bert"}, 0.0)]
    assert found["mailctl_message_delay_seconds"] == [({"gateway": "anna"}, 2.1)]


def test_a_metric_without_samples_is_left_out() -> None:
    assert "certificate" not in prometheus.render([SECRET_MISSING])
    assert prometheus.render([]) == ""


@given(ANY)
def test_C_no_text_breaks_the_metrics(text: str) -> None:
    check = replace(hostile(text), gateway=f"x{text}", endpoint=text, cause=text)
    found = samples(prometheus.render([check, GOOD]))
    assert len(found["mailctl_check_success"]) == 2
    assert len(found["mailctl_check_info"]) == 2
