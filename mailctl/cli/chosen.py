"""Which gateways a command is about, where it takes names, `--all`, or neither and means the default gateway.

Where none was made the default, and there is one gateway only, that one is meant.
"""

from mailctl.cli.context import Context
from mailctl.errors import UsageError

_LISTED = 20


def named(context: Context, names: list[str]) -> list[str]:
    """`names`, or if none was given the default gateway's, or the only one's; UsageError (code no_name) else."""
    if names:
        return names
    default = context.config.default_gateway
    if default:
        return [default]
    known = context.config.gateway_names()
    if len(known) == 1:
        return known
    there = "There is none yet; `mailctl gateway add` makes one."
    if known:
        more = ", …" if len(known) > _LISTED else ""
        there = f"Name one of {', '.join(known[:_LISTED])}{more}, or set it: `mailctl gateway default NAME`."
    raise UsageError("Which gateway? None was named, and there is no default gateway", hint=there, code="no_name")


def side_by_side(context: Context, jobs: int | None) -> int:
    """How many things are done at a time: `--jobs`, or the settings' number. UsageError outside 1 to 256."""
    jobs = context.config.settings.jobs if jobs is None else jobs
    if not 1 <= jobs <= 256:
        raise UsageError("--jobs must be 1 to 256")
    return jobs
