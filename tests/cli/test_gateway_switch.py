"""`mailctl gateway enable|disable|move` to a pipe: one record a line, tab-separated."""

from tests.cli.support import Cli


def test_what_was_switched_and_moved_is_a_record_each(cli: Cli) -> None:
    cli.ok("server", "add", "s", "--imap", "imap.example.org")
    for name in ("a", "b", "c"):
        cli.ok("gateway", "add", name, "--server", "s", "--email", f"{name}@example.org", "--password-env", "PW")
    assert cli.ok("gateway", "disable", "a", "b").rows == [["a", "no", "yes"], ["b", "no", "yes"]]
    assert cli.ok("gateway", "enable", "a", "c").rows == [["a", "yes", "yes"], ["c", "yes", "no"]]
    assert cli.run("gateway", "enable", "c", terminal=True).out == "c: enabled, as before\n"
    assert cli.ok("gateway", "move", "c", "--before", "a").rows == [["c", "90"]]
    assert cli.ok("gateway", "move", "c", "--before", "a").rows == []
    assert [row[0] for row in cli.ok("gateway", "list").rows] == ["c", "a", "b"]
