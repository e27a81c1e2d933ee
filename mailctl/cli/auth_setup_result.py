"""What `mailctl auth setup` made, for people and programs."""

from mailctl.domain.gateway import SecretSource
from mailctl.domain.oauth import Application, Grant
from mailctl.domain.record import dataclass
from mailctl.output.view import Cell, Fields


@dataclass(frozen=True, slots=True)
class ApplicationDetail:
    """An application. client_secret, key: where it is, None if there is none."""

    client_id: str
    tenant: str
    grant: Grant
    redirect: str
    client_secret: SecretSource | None
    key: SecretSource | None
    authorization_endpoint: str
    token_endpoint: str
    device_authorization_endpoint: str
    revocation_endpoint: str


@dataclass(frozen=True, slots=True)
class Setup:
    """What became of `auth setup`.

    steps: what to click at the provider. application: None as long as there is no client id. path: its file.
    changed: whether that was (or, with dry_run, would be) written. recognised: whether the provider knows it, null if
    it was not asked, or doesn't tell. next: the commands that come next.
    """

    name: str
    service: str
    steps: list[str]
    scopes: list[str]
    registration_url: str
    application: ApplicationDetail | None
    path: str
    changed: bool
    recognised: bool | None
    dry_run: bool
    next: list[str]


def detail(application: Application) -> ApplicationDetail:
    """An application for people and programs."""
    service, own = application.service, ("client_id", "tenant", "grant", "redirect", "client_secret", "key")
    endpoints = ("authorization_endpoint", "token_endpoint", "device_authorization_endpoint", "revocation_endpoint")
    return ApplicationDetail(
        **{name: getattr(application, name) for name in own}, **{name: getattr(service, name) for name in endpoints}
    )


def fields_of(setup: Setup) -> Fields:
    """What was saved, or would be, for people."""
    application = setup.application
    assert application is not None  # noqa: S101 - the caller has made it
    secret = application.client_secret
    pairs: list[tuple[str, Cell]] = [
        ("application", setup.name),
        ("service", setup.service),
        ("client id", application.client_id),
        ("tenant", application.tenant or None),
        ("grant", application.grant.value),
        ("redirect", application.redirect),
        ("client secret", secret.kind.value if secret else None),
        ("scopes", ", ".join(setup.scopes)),
    ]
    return Fields([pair for pair in pairs if pair[1] is not None])
