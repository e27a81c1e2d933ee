"""How the parent starts workers: what can't be had is done without."""

from mailctl.cli.worker import WorkerProcesses
from mailctl.domain.gateway import Gateway, Inbound, Login
from mailctl.domain.secret import Secret
from mailctl.domain.server import Endpoint, Protocol, Security
from mailctl.errors import SecretError
from mailctl.sync.job import SyncJob


def test_without_the_password_there_is_no_worker() -> None:
    """A keyring that asks each time may be answered once only."""

    def refuse(job: SyncJob) -> Secret:
        raise SecretError("The keyring did not answer", code="keyring_timeout")

    endpoint = Endpoint("mail.example", 993, Security.TLS)
    gateway = Gateway("box", server="s", email="me@mail.example", login=Login("me"))
    job = SyncJob(gateway, Protocol.IMAP, endpoint, Inbound(), "/r", "/s")
    workers = WorkerProcesses(refuse, lambda job: None, dict, most=2)
    assert workers.start(job, 0) is None
