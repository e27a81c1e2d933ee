"""The block in a crontab: what stands around it is never touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.errors import ConfigError, UsageError
from mailctl.schedule import crontab
from mailctl.schedule.wanted import Wanted

WANTED = Wanted(("/usr/bin/mailctl",), ("work",), 900, environment={"XDG_X": "a b%c"})
OTHERS = st.lists(st.binary().filter(lambda line: b"\n" not in line and b"mailctl" not in line)).map(
    lambda lines: b"".join(line + b"\n" for line in lines)
)


@given(OTHERS, OTHERS, st.sampled_from(["", "1234abcd"]))
def test_others_lines_stay_octet_for_octet(before: bytes, after: bytes, realm: str) -> None:
    wanted = Wanted(("/usr/bin/mailctl",), (), 900, realm=realm)
    installed = crontab.with_block(before, wanted) + after
    assert installed == before + crontab.block(wanted) + after
    assert crontab.with_block(installed, wanted) == installed, "twice changes nothing"
    hourly = Wanted(("/usr/bin/mailctl",), (), 3600, realm=realm)
    replaced = crontab.with_block(installed, hourly)
    assert replaced == before + crontab.block(hourly) + after
    assert crontab.without_block(replaced, realm) == before + after
    assert crontab.without_block(replaced, "other000") == replaced


def test_a_last_line_without_its_end_gets_one() -> None:
    assert crontab.with_block(b"@daily x", WANTED).startswith(b"@daily x\n# mailctl")


def test_a_block_without_end_is_not_guessed_at() -> None:
    begin = crontab.block(WANTED).splitlines(keepends=True)[0]
    with pytest.raises(ConfigError, match="not its end"):
        crontab.with_block(begin + b"@daily x\n", WANTED)
    with pytest.raises(ConfigError, match="not its end"):
        crontab.without_block(begin + b"@daily x\n", "")


def test_the_line_is_quoted_for_the_shell_and_for_cron() -> None:
    line = crontab.found(crontab.block(WANTED), "")
    assert line.endswith(" env 'XDG_X=a b\\%c' /usr/bin/mailctl sync work --no-input >/dev/null 2>&1")
    assert crontab.found(b"@daily mailctl sync\n", "") == ""


def test_a_line_break_can_not_get_in() -> None:
    with pytest.raises(UsageError):
        crontab.block(Wanted(("/usr/bin/mail\nctl",), (), 900))


@given(st.sampled_from(crontab.INTERVALS), st.integers(0, 2**32))
def test_moments_are_as_many_as_asked_for(every: int, number: int) -> None:
    minutes, hours, *rest = crontab.moments(every, number).split()
    assert rest == ["*", "*", "*"]
    assert len(expand(minutes, 60)) * len(expand(hours, 24)) == 86400 // every


def expand(field: str, size: int) -> list[int]:
    span, _, step = field.partition("/")
    if span == "*":
        return list(range(size))
    first, _, last = span.partition("-")
    return list(range(int(first), int(last or first) + 1, int(step or 1)))


@pytest.mark.parametrize(("every", "hint"), [(420, "Choose 6m or 10m."), (5 * 3600, "Choose 4h or 6h.")])
def test_what_cron_can_not_say_is_refused(every: int, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        crontab.moments(every, 0)
    assert caught.value.hint == hint
