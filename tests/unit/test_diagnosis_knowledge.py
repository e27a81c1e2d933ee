"""The failure knowledge: what ships is sound, every example is read as its cause, and no text whatever breaks it."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tools.knowledge
from mailctl.diagnosis.knowledge import Failure, Knowledge, load_knowledge, read_causes, read_failures
from mailctl.diagnosis.matcher import judge
from mailctl.diagnosis.phrase import Anchors, Phrase, Phrases, prepare
from mailctl.diagnosis.signals import LONGEST, codes, words
from mailctl.diagnosis.verdict import CONFIDENCES, Evidence
from mailctl.errors import ConfigError, ExitCode

KNOWLEDGE = load_knowledge()
EXAMPLES = [failure for failure in KNOWLEDGE.failures if failure.example]
FAMILIES = {
    ExitCode.CONFIG,
    ExitCode.SECRET,
    ExitCode.NETWORK,
    ExitCode.TLS,
    ExitCode.AUTH,
    ExitCode.REFUSED,
    ExitCode.PROTOCOL,
}


def evidence_of(failure: Failure, knowledge: Knowledge = KNOWLEDGE) -> Evidence:
    """What a check would have at hand where `failure`'s example is met at home."""
    presets = knowledge.providers[failure.provider].presets if failure.provider else {""}
    return Evidence(
        protocol=min(failure.protocols, default=""),
        stage=min(failure.stages, default=""),
        provider=min(presets),
        text=failure.example,
        port=int(min((f[5:] for f in failure.facts | failure.codes if f.startswith("port:")), default="0")),
    )


@pytest.mark.parametrize("failure", EXAMPLES, ids=lambda failure: failure.id)
def test_an_example_is_read_as_its_cause(failure: Failure) -> None:
    verdict = judge(evidence_of(failure), KNOWLEDGE)
    assert (verdict.cause, verdict.confidence) == (failure.cause, failure.confidence), verdict.evidence
    assert verdict.evidence


@pytest.mark.parametrize("failure", [f for f in KNOWLEDGE.failures if f.instead_of], ids=lambda failure: failure.id)
def test_a_refinement_takes_the_place_of_what_it_refines(failure: Failure) -> None:
    known = [p for p in KNOWLEDGE.providers.values() if {f"wants:{p.wants}", "provider:known"} & failure.facts]
    presets = [
        min(provider.presets)
        for provider in known
        if not {f"provider:{provider.id}", "provider:known"} & failure.unless
    ]
    hint = "bad_credentials" if "bad_credentials" in failure.instead_of else min(failure.instead_of)
    text = "AUTH=XOAUTH2" if failure.pattern else ""
    facts = failure.facts | set(sorted(failure.codes)[:1])
    stage = min(failure.stages, default="authenticate")
    evidence = Evidence("imap", stage, next(iter(presets), ""), text, hint, facts=facts)
    verdict = judge(evidence, KNOWLEDGE)
    assert verdict.cause == failure.cause
    said = failure.explanation or KNOWLEDGE.causes[failure.cause].meaning
    for place, value in (("{host}", "the server"), ("{port}", "used"), ("{protocol}", "IMAP")):
        said = said.replace(place, value)
    assert verdict.explanation == said


def test_what_the_program_reads_is_what_the_files_say() -> None:
    assert tools.knowledge.TARGET.read_text("utf-8") == tools.knowledge.written(tools.knowledge.FOLDER)


def test_every_cause_is_told_in_full() -> None:
    for cause in KNOWLEDGE.causes.values():
        assert cause.meaning.endswith("."), cause.name
        assert cause.remedy, cause.name
        assert all(step.endswith(".") for step in cause.remedy), cause.name
        assert cause.fixer in {"user", "admin", "provider"}, cause.name
        assert cause.retry in {"yes", "no", "after-fix", "later"}, cause.name
        assert cause.exit_code in FAMILIES, cause.name
        assert cause.name == "unknown" or urlsplit(cause.doc_url).scheme == "https", cause.name


def test_every_failure_is_sound() -> None:
    ids = [failure.id for failure in KNOWLEDGE.failures]
    assert len(set(ids)) == len(ids)
    for failure in KNOWLEDGE.failures:
        assert failure.confidence in CONFIDENCES, failure.id
        assert failure.pattern or failure.codes or failure.facts, failure.id
        assert failure.instead_of <= set(KNOWLEDGE.causes), failure.id
        assert all(step.endswith(".") for step in failure.remedy), failure.id


def test_the_causes_of_all_layers_are_there() -> None:
    assert len(KNOWLEDGE.causes) >= 60
    shown = {failure.cause for failure in KNOWLEDGE.failures}
    assert {name for name in KNOWLEDGE.causes if name.startswith(("dns_", "tcp_"))} <= shown


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("no meaning", {"x": {"remedy": [], "fixer": "user", "retry": "no", "doc_url": ""}}),
        ("no table", {"x": 3}),
        ("no such family", {"family": "weather", "x": {"meaning": "", "remedy": []}}),
    ],
)
def test_a_broken_file_of_causes_is_named(name: str, data: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"own\.toml"):
        read_causes("own.toml", data)


@pytest.mark.parametrize(
    "table",
    [
        {"id": "a", "cause": "nonsense", "pattern": ["x"]},
        {"id": "a", "cause": "unknown", "colour": "red"},
        {"cause": "unknown"},
        {"id": "a"},
    ],
)
def test_a_broken_file_of_failures_is_named(table: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"own\.toml"):
        read_failures("own.toml", {"failure": [table]}, KNOWLEDGE.causes)


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("rbl", "blocked by rbl.example.org", True),
        ("rbl", "marble", False),
        ("greylist*", "451 greylisting in action", True),
        ("account * suspended", "your account has been suspended", True),
        ("account * suspended", "suspended account", False),
        ("5.7.1", "550 5.7.139 x", False),
        ("listed", "blacklisted", False),
        ("*listed", "blacklisted", True),
        ("no such (user|mailbox) here", "550 No such mailbox here", True),
        ("no such (user|mailbox) here", "550 No such domain here", False),
        ("no (such |)user", "550 no user", True),
        ("5.7.1 (x", "550 5.7.1 (x)", True),
        ("mailbox * full", "mailbox " + "a " * 60 + "full", False),
        ("mailbox * full", "mailbox " + "a " * 60 + "mailbox of x is full", True),
        ("self-signed", "Self signed certificate", True),
        ("can't connect", "Cannot connect", True),
        ("time out", "it timed out", True),
    ],
)
def test_a_phrase_is_found_as_whole_words(phrase: str, text: str, found: bool) -> None:
    assert Phrase(words(phrase)).found_in(words(text)) is found


@pytest.mark.parametrize("source", ["", " * ", "*", "(|)"])
def test_a_phrase_needs_words(source: str) -> None:
    with pytest.raises(ValueError, match="words"):
        prepare(source)


@pytest.mark.parametrize("failure", EXAMPLES[::5], ids=lambda failure: failure.id)
def test_anchors_hide_no_phrase(failure: Failure) -> None:
    text = words(failure.example)
    for table in (failure.pattern, failure.without):
        found = [Phrase(source) for source, *_ in table.prepared if Phrase(source).found_in(text)]
        assert table.longest_in(text) == max((phrase.length for phrase in found), default=0)


def test_looking_anchors_up_hides_no_failure_either() -> None:
    knowledge = load_knowledge()
    for _ in range(10):
        knowledge.readings_of("")  # from some texts on, anchors are looked up
    for failure in EXAMPLES[::9]:
        text = words(failure.example)
        fitting = [each for each in knowledge.readings if not each.pattern or each.pattern.longest_in(text)]
        found = knowledge.readings_of(text)
        assert [each for each in found if not each.pattern or each.pattern.longest_in(text)] == fitting
        assert len(found) < len(knowledge.readings) // 2


@pytest.mark.parametrize("anchor", ["a", "full", "mailbox full"])
def test_anchors_of_any_length_are_looked_up(anchor: str) -> None:
    anchors = Anchors([Phrases([[anchor, anchor]]), Phrases(), Phrases([["no such", "no such"]])])
    for _ in range(10):
        anchors.in_text("")
    assert list(anchors.in_text(f"x {anchor}")) == [0, 1]
    assert list(anchors.in_text(f"no such {anchor}s")) == [0, 1, 2]
    assert list(anchors.in_text("other words")) == ([1] if len(anchor) > 1 else [0, 1])


def test_a_hostile_text_takes_no_long_search() -> None:
    assert not Phrase("a * a * a * a * b").found_in(words("a " * LONGEST))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NO [AUTHENTICATIONFAILED] x", {"NO", "[AUTHENTICATIONFAILED]"}),
        ("-ERR [SYS/TEMP] x", {"-ERR", "[SYS/TEMP]", "speaks:pop3"}),
        ("(535, b'5.7.8 Error')", {"535", "5.7.8", "5.7.x"}),
        ("server responded: 535 5.7.8 Error", {"535", "5.7.8", "5.7.x"}),
        ("534-5.7.9 a\n534 5.7.9 b", {"534", "5.7.9", "5.7.x"}),
        ("host 192.0.2.1 and 4.5.6.7", set()),
        ("* OK ready", {"speaks:imap"}),
    ],
)
def test_codes_are_what_the_standards_call_so(text: str, expected: set[str]) -> None:
    assert codes(text) == expected


def test_a_reply_of_several_lines_is_read_as_one() -> None:
    text = "534-5.7.9 Please log in via\r\n534-5.7.9 your web browser\r\n534 5.7.9 now"
    assert "please login via your web browser now" in words(text)


@given(
    st.text(max_size=300), st.sampled_from(["", "imap", "pop3", "smtp", "tls", "dns", "nonsense"]), st.text(max_size=12)
)
@settings(max_examples=150, deadline=None)
def test_no_text_breaks_the_matcher(text: str, protocol: str, stage: str) -> None:
    verdict = judge(Evidence(protocol, stage, text=text, cause_hint=text[:20], host=text[:30]), KNOWLEDGE)
    assert verdict.cause in KNOWLEDGE.causes
    assert verdict.confidence in CONFIDENCES


@given(st.lists(st.sampled_from([e.example for e in EXAMPLES] + ["5.7.1 ", "[", "* ", "\x00"]), max_size=400))
@settings(max_examples=25, deadline=None)
def test_a_long_text_is_bounded(pieces: list[str]) -> None:
    text = " ".join(pieces) * 50
    assert len(words(text)) <= 2 * LONGEST
    assert judge(Evidence("smtp", text=text), KNOWLEDGE).cause in KNOWLEDGE.causes
