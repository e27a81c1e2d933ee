"""Sessions for a job, of whichever protocol; only the adapter that is needed is loaded.

Each comes with a way to read its transcript, which is empty unless the job traces.
"""

from mailctl.domain.check import CheckJob, Session
from mailctl.domain.deadline import Deadline
from mailctl.domain.probe import Incoming, Lines, Outgoing, ProbeMessage, ProbeTools
from mailctl.domain.secret import Secret
from mailctl.domain.server import Protocol
from mailctl.protocols.idn import a_labels
from mailctl.protocols.transcript import Transcript


def open_session(job: CheckJob, secret: Secret, deadline: Deadline) -> tuple[Session, Lines]:
    """A session that checks, not connected yet."""
    transcript, lines = _transcript(job)
    if job.protocol is Protocol.SMTP:
        from mailctl.protocols.smtp import smtp_session

        return smtp_session(job, secret, deadline, transcript), lines
    return _incoming(job, secret, deadline, transcript), lines


def open_incoming(job: CheckJob, secret: Secret, deadline: Deadline) -> tuple[Incoming, Lines]:
    """A session on the mailbox of `job` (IMAP or POP3), not connected yet."""
    transcript, lines = _transcript(job)
    return _incoming(job, secret, deadline, transcript), lines


def open_outgoing(job: CheckJob, secret: Secret, deadline: Deadline, message: ProbeMessage) -> tuple[Outgoing, Lines]:
    """A session that sends `message` to the address of `job`, not connected yet."""
    from mailctl.protocols.submission import Submission

    transcript, lines = _transcript(job)
    return Submission(job, secret, deadline, transcript, message=message.data, recipients=[job.address]), lines


def probe_tools() -> ProbeTools:
    """All that probes need of this room."""
    return ProbeTools(open_incoming, open_outgoing, a_labels)


def _incoming(job: CheckJob, secret: Secret, deadline: Deadline, transcript: Transcript | None) -> Incoming:
    if job.protocol is Protocol.IMAP:
        from mailctl.protocols.imap.session import ImapSession

        return ImapSession(job, secret, deadline, transcript)
    from mailctl.protocols.pop3 import Pop3Session

    return Pop3Session(job, secret, deadline, transcript)


def _transcript(job: CheckJob) -> tuple[Transcript | None, Lines]:
    transcript = Transcript() if job.trace else None
    return transcript, transcript.lines if transcript is not None else tuple
