"""Writes man/mailctl.1 from the command tree: every command and every option appears.

python -m tools.manpage            write it
python -m tools.manpage --check    exit 1 if what is there differs
"""

import sys
from pathlib import Path

from mailctl import __version__
from mailctl.cli.tree import Node, Option, command_tree
from mailctl.errors import EXIT_MEANINGS

PAGE = Path(__file__).parents[1] / "man" / "mailctl.1"

FILES = [
    ("~/.config/mailctl/config.toml", "Settings, limits and defaults; yours, never rewritten by mailctl."),
    ("~/.config/mailctl/servers/NAME.toml", "One server."),
    ("~/.config/mailctl/gateways/NAME.toml", "One gateway. Passwords are never in it, only where they are."),
    ("~/.config/mailctl/oauth/NAME.toml", "One OAuth application; [oauth.NAME] in config.toml comes first."),
    ("~/.config/mailctl/secrets.jwe", "Passwords and tokens, where there is no keyring; encrypted."),
    ("~/.config/mailctl/keyring.json", "Names of the entries in the keyring; no secrets."),
    ("~/.local/share/mailctl/mail/GATEWAY/FOLDER/", "Mail, as Maildir."),
    ("~/.local/state/mailctl/sync/GATEWAY.db", "Sync state; can be rebuilt from the Maildir and the server."),
    ("~/.local/state/mailctl/journal.db", "The mailer log."),
    ("~/.local/state/mailctl/watch/", "Heartbeats and locks of running watches."),
    ("~/.config/systemd/user/mailctl-*", "Units made by `mailctl schedule install`."),
]

ENVIRONMENT = [
    ("MAILCTL_CONFIG_DIR", "Where configuration lives, like --config-dir."),
    ("MAILCTL_STATE_DIR", "Where sync state and the mailer log live, like --state-dir."),
    ("MAILCTL_SECRETS_KEY", "The key of the encrypted file: a passphrase, or what `mailctl secrets key` made."),
    ("MAILCTL_SECRETS_KEY_FILE", "A private file that has it; with a relative name, a credential (systemd)."),
    ("XDG_CONFIG_HOME, XDG_STATE_HOME, XDG_DATA_HOME", "Base folders, if the above are not set."),
    ("CREDENTIALS_DIRECTORY", "Where a password file with a relative name is looked for (systemd)."),
    ("BROWSER", "The browser that `auth login` opens, if not the desktop's."),
    ("NOTIFY_SOCKET", "Where `watch` tells the service manager how it goes (systemd)."),
    ("NO_COLOR, FORCE_COLOR, TERM=dumb", "Colour off, on, off."),
]


def roff(text: str) -> str:
    """Text as roff shows it unchanged, on one line."""
    text = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def synopsis(node: Node) -> str:
    """`mailctl gateway add NAME ...` in bold and italics."""
    words = [f"\\fB{roff(' '.join(('mailctl', *node.path)))}\\fR"]
    for argument in node.arguments:
        shown = f"\\fI{roff(argument.value)}\\fR" + ("..." if argument.repeatable else "")
        words.append(shown if argument.required else f"[{shown}]")
    return " ".join(words) + " [\\fIoptions\\fR]"


def option_lines(option: Option) -> list[str]:
    """One option as a tagged paragraph."""
    names = ", ".join(f"\\fB{roff(name)}\\fR" for name in option.names)
    value = f" \\fI{roff(option.value)}\\fR" if option.value else ""
    more = [
        word for word, on in (("May be given more than once.", option.repeatable), ("Required.", option.required)) if on
    ]
    return [".TP", names + value, roff(" ".join([option.help, *more]))]


def page(root: Node) -> str:
    """The whole man page."""
    common = {option.names for option in root.options}
    lines = [
        '.\\" Made by `make man` from the command tree; not edited by hand.',
        f'.TH MAILCTL 1 "" "mailctl {__version__}" "User Commands"',
        ".SH NAME",
        "mailctl \\- connect mailboxes, prove that they work, keep them synced",
        ".SH SYNOPSIS",
        "\\fBmailctl\\fR \\fIcommand\\fR [\\fIoptions\\fR]",
        ".SH DESCRIPTION",
        roff(root.help),
        ".PP",
        roff("A gateway is one mailbox connected through one server. stdout carries data only; remarks, progress and "
             "errors go to stderr. To a terminal results are tables and sentences; to a pipe they are tab-separated, "
             "one record a line; with --json they are one JSON object, whose schema `mailctl schema` prints."),
        ".SH OPTIONS",
    ]  # fmt: skip
    for option in root.options:
        lines += option_lines(option)
    lines.append(".SH COMMANDS")
    for node in root.walk():
        if not node.path or node.children:
            continue
        lines += [f".SS {roff(' '.join(node.path))}", synopsis(node), ".PP", roff(node.help)]
        for argument in node.arguments:
            if argument.help:
                lines += [".TP", f"\\fI{roff(argument.value)}\\fR", roff(argument.help)]
        for option in node.options:
            if option.names not in common:
                lines += option_lines(option)
    for title, rows in (
        ("EXIT STATUS", [(str(int(code)), meaning) for code, meaning in EXIT_MEANINGS.items()]),
        ("FILES", FILES),
        ("ENVIRONMENT", ENVIRONMENT),
    ):
        lines.append(f".SH {title}")
        for name, text in rows:
            lines += [".TP", f"\\fB{roff(name)}\\fR", roff(text)]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write or compare the page; returns the exit code."""
    wanted = page(command_tree())
    same = PAGE.exists() and PAGE.read_text() == wanted
    if arguments == ["--check"]:
        if not same:
            sys.stderr.write("man/mailctl.1 is not what the command tree makes; run `make man`\n")
        return 0 if same else 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
