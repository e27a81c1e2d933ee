"""What is run without the parser is what the parser would have made of it."""

import io
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailctl.cli.context import Context
from mailctl.cli.parsed import run_parsed
from mailctl.cli.quick import run_quickly
from mailctl.errors import MailctlError

WORDS = st.sampled_from(["a", "b", "a b", "é", "x=1", "--all", "--quiet", "--json", "--no-input", ""])


def result(words: list[str], home: Path, *, quickly: bool) -> tuple[object, ...] | None:
    """All that came of it; None if it is not for the quick way."""
    out, err = io.StringIO(), io.StringIO()
    context = Context(io.StringIO(), out, err, {"HOME": str(home)})
    error = None
    try:
        if quickly and not run_quickly(context, words):
            return None
        if not quickly:
            run_parsed(context, words)
    except MailctlError as raised:
        error = str(raised), raised.hint, raised.code
    options = context.emitter.json, context.emitter.quiet, context.no_input
    return error, options, context.command, int(context.exit_code), out.getvalue(), err.getvalue()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(WORDS, max_size=4))
def test_the_quick_way_is_the_parsers(tmp_path: Path, words: list[str]) -> None:
    quick = result(["sync", *words], tmp_path, quickly=True)
    assert quick is None if "" in words else quick == result(["sync", *words], tmp_path, quickly=False)


def test_the_rest_is_the_parsers() -> None:
    for words in (["sync", "--help"], ["sync", "--jobs", "2"], ["sync", "-x"], ["sync", "--", "a"], ["watch"], []):
        assert not run_quickly(Context(io.StringIO(), io.StringIO(), io.StringIO(), {}), words)
