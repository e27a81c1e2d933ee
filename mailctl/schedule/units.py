"""The texts of systemd's user units (systemd.service(5), systemd.timer(5), systemd.syntax(7)). Pure."""

from mailctl.schedule.wanted import Wanted, checked

MARK = "# Made by `mailctl schedule install`, removed by `mailctl schedule remove`; changes are lost."
_HARDENED = """\
NoNewPrivileges=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
"""
_NEVER_AGAIN = "2 3 4 7 11"
"""Exit codes after which a restart would be of no use, or lock an account."""


def names(realm: str) -> tuple[str, str, str]:
    """Names of the sync's service, its timer, and the watch's service."""
    tail = f"-{realm}" if realm else ""
    return f"mailctl-sync{tail}.service", f"mailctl-sync{tail}.timer", f"mailctl-watch{tail}.service"


def units(wanted: Wanted) -> dict[str, str]:
    """The units' texts by file name; the last is the one to enable."""
    service, timer, watch = names(wanted.realm)
    if wanted.every is None:
        return {watch: _watch(wanted)}
    return {service: _service(wanted), timer: _timer(wanted)}


def _watch(wanted: Wanted) -> str:
    return (
        f"{MARK}\n[Unit]\nDescription=mailctl: keep {_whose(wanted)} synced\nDocumentation=man:mailctl(1)\n\n"
        f"[Service]\nType=notify\nNotifyAccess=main\n{_runs(wanted)}"
        "ExecReload=kill -HUP $MAINPID\nKillMode=mixed\nTimeoutStopSec=90\nWatchdogSec=180\n"
        f"Restart=on-failure\nRestartSec=30\nRestartPreventExitStatus={_NEVER_AGAIN}\n{_limits(wanted)}\n"
        "[Install]\nWantedBy=default.target\n"
    )


def _service(wanted: Wanted) -> str:
    return (
        f"{MARK}\n[Unit]\nDescription=mailctl: sync {_whose(wanted)}\nDocumentation=man:mailctl(1)\n\n"
        f"[Service]\nType=oneshot\n{_runs(wanted)}StandardOutput=null\n{_limits(wanted)}"
    )


def _timer(wanted: Wanted) -> str:
    """Counted from the end of one sync to the beginning of the next, so that two never meet."""
    return (
        f"{MARK}\n[Unit]\nDescription=mailctl: sync {_whose(wanted)} at intervals\nDocumentation=man:mailctl(1)\n\n"
        f"[Timer]\nOnStartupSec=1min\nOnUnitInactiveSec={wanted.every}s\n"
        f"RandomizedDelaySec={max(1, (wanted.every or 0) // 20)}s\nAccuracySec=5s\n\n"
        "[Install]\nWantedBy=timers.target\n"
    )


def _runs(wanted: Wanted) -> str:
    variables = "".join(
        f"Environment={_word(f'{name}={value}')}\n" for name, value in sorted(wanted.environment.items())
    )
    return f"{variables}ExecStart=:{' '.join(_word(word) for word in wanted.words)}\n"


def _limits(wanted: Wanted) -> str:
    shared = "UMask=0077\nNice=5\n"
    return shared if wanted.commands else shared + _HARDENED


def _whose(wanted: Wanted) -> str:
    return ", ".join(wanted.gateways) if wanted.gateways else "all gateways"


def _word(text: str) -> str:
    """One word of a line, specifiers (%) taken literally; so are variables ($), by the colon before the program."""
    safe = checked(text, "the command line").replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{safe}"'
