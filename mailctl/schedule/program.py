"""Running `systemctl` and `crontab`: argument lists, a deadline, what they say."""

from collections.abc import Mapping

from mailctl.domain.record import dataclass
from mailctl.errors import ConfigError

SECONDS = 60.0
"""How long one call may take."""


@dataclass(frozen=True, slots=True)
class Programs:
    """How programs are run. env: their environment."""

    env: Mapping[str, str]

    def run(self, *argv: str, data: bytes = b"") -> tuple[int, bytes, str]:
        """Exit status, what it printed, and what it said on stderr in one line. data: its stdin.

        ConfigError: no_program if there is no such program, timeout if it isn't done in time.
        """
        import subprocess

        env = {**self.env, "LC_ALL": "C"}  # so that its words are known
        try:
            done = subprocess.run(argv, input=data, capture_output=True, env=env, timeout=SECONDS, check=False)
        except FileNotFoundError as error:
            raise ConfigError(f"There is no program {argv[0]!r} here", code="no_program") from error
        except OSError as error:
            raise ConfigError(f"{argv[0]!r} can't be run: {error.strerror}", code="no_program") from error
        except subprocess.TimeoutExpired as error:
            raise ConfigError(f"`{' '.join(argv)}` was not done after {SECONDS:g} s", code="timeout") from error
        return done.returncode, done.stdout, " ".join(done.stderr.decode("utf-8", "replace").split())[:500]

    def must(self, *argv: str, data: bytes = b"") -> bytes:
        """What it printed; ConfigError (code scheduler_refused) if it fails."""
        status, out, said = self.run(*argv, data=data)
        if status:
            raise ConfigError(
                f"`{' '.join(argv)}` failed with status {status}{': ' if said else ''}{said}", code="scheduler_refused"
            )
        return out
