"""One check: the secret, then the session's stages, each timed, up to the first that fails, and what that means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import monotonic

from mailctl.diagnosis.closer.closer import closer_look
from mailctl.diagnosis.closer.stall import stalled
from mailctl.diagnosis.closer.told import with_told
from mailctl.diagnosis.findings import findings
from mailctl.diagnosis.knowledge import Knowledge
from mailctl.diagnosis.matcher import judge
from mailctl.diagnosis.own_words import in_own_words
from mailctl.diagnosis.shape import login_facts
from mailctl.diagnosis.verdict import Evidence, Verdict
from mailctl.domain.check import CheckJob, CheckReport, Level, OtherCause, Session, StageReport, StageStatus
from mailctl.domain.deadline import Deadline
from mailctl.domain.gateway import SourceKind
from mailctl.domain.look import Looks
from mailctl.domain.secret import BearerToken, Secret, mask, mask_own, mask_within
from mailctl.domain.server import Protocol, Security
from mailctl.errors import AuthError, MailctlError, NetworkError, SecretError

OpenSession = Callable[[CheckJob, Secret, Deadline], tuple[Session, Callable[[], Sequence[str]]]]
"""Makes a session without connecting yet, and a way to read its transcript; raises MailctlError."""
SecretResolver = Callable[[CheckJob], Secret]
"""The secret of a job's login; raises SecretError."""

_NEVER_CAME = "The password didn't come from its source ({}) within the {:g} s of the check, and no server was asked"
_ASKS = "See whether it waits for an answer, such as for a passphrase; unlock it first, or give it a longer --timeout."
_STAGES = {
    Protocol.IMAP: ("greeting", "starttls", "capability", "authenticate", "select", "folders"),
    Protocol.POP3: ("greeting", "starttls", "capability", "authenticate", "stat"),
    Protocol.SMTP: ("greeting", "ehlo", "starttls", "authenticate", "mail", "rcpt", "relay"),
}


def expected_stages(job: CheckJob) -> tuple[str, ...]:
    """The stages that a session of `job` has, for reports on checks that never got one."""
    security = job.endpoint.security
    first = ("dns", "tcp", "tls") if security is Security.TLS else ("dns", "tcp")
    left_out = {"starttls"} - ({"starttls"} if security is Security.STARTTLS else set())
    left_out |= set() if job.relaying else {"relay"}
    return (*first, *(name for name in _STAGES[job.protocol] if name not in left_out))


class Climb:
    """One check on its way; `run` carries it out, `overdue` reports on it from another thread as it stands."""

    def __init__(
        self,
        job: CheckJob,
        open_session: OpenSession,
        secret: SecretResolver,
        knowledge: Callable[[], Knowledge],
        clock: Callable[[], float] = monotonic,
        looks: Looks | None = None,
    ) -> None:
        self.job, self.looks = job, looks
        self.deadline = Deadline(job.timeout, clock)
        self._open, self._resolve, self._knowledge, self._clock = open_session, secret, knowledge, clock
        self._names: tuple[str, ...] = ("secret", *expected_stages(job))
        self._done: list[StageReport] = []
        self._began = clock()
        self._secret: Secret | None = None
        self._session: Session | None = None
        self._lines: Callable[[], Sequence[str]] = tuple
        self._late: Mapping[str, Mapping[str, object]] = {}

    @property
    def stage(self) -> str:
        """The stage in hand, or the last."""
        return self._names[min(len(self._done), len(self._names) - 1)]

    def run(self) -> CheckReport:
        """Climb as far as it goes. Errors become the report; KeyboardInterrupt passes."""
        try:
            self._take(self._begin)
            try:
                self._climb()
            except AuthError as refusal:
                if refusal.code != "token_refused" or not isinstance(self._secret, BearerToken):
                    raise
                self._take_another(refusal, self._secret)
                self._climb()
        except MailctlError as error:
            return self.failed(error)
        except Exception as error:  # noqa: BLE001 - a bug met in one check must not take the others' reports with it
            return self.failed(MailctlError(f"this is a bug in mailctl ({type(error).__name__}: {error})"))
        finally:
            self._end()
        return self._report(ok=True)

    def _climb(self) -> None:
        """All stages after the secret's."""
        assert self._secret is not None  # made by the stage before  # noqa: S101
        self._session, self._lines = self._open(self.job, self._secret, self.deadline)
        self._names = ("secret", *self._session.stages)
        try:
            for name in self._session.stages:
                self.deadline.remaining()
                self._take(lambda climb=self._session.climb, stage=name: climb(stage))  # type: ignore[misc]  # bound now
        except MailctlError:
            self._late = self._session.late()
            raise
        self._late = self._session.late()

    def _take_another(self, refusal: AuthError, first: BearerToken) -> None:
        """A fresh token in place of the refused one, once; `refusal` again if there is none.

        No account is locked by that: it is another secret, and the server said that it was about the token.
        """
        climbed = self._done
        self.job = replace(self.job, token_refused=first.digest)
        self._done = []
        self._take(self._begin)  # why there is none tells more than the refusal
        if self._secret == first:
            self._done, self.job = climbed, replace(self.job, token_refused="")
            raise refusal
        self._end()

    def _end(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def overdue(self) -> CheckReport:
        """The report on a check that did not end by its deadline."""
        if self.stage == "secret":  # nobody was connected to yet
            source = self.job.login.secret.kind
            return self.failed(SecretError(_NEVER_CAME.format(source, self.job.timeout), hint=_ASKS, code="timeout"))
        message = f"{self.job.endpoint} kept the check busy beyond its {self.job.timeout:g} s"
        return self.failed(NetworkError(message, code="timeout", cause="tcp_timeout"))

    def failed(self, error: MailctlError) -> CheckReport:
        """The report on a check that ended with `error` at the stage in hand."""
        done = list(self._done)
        stage = self.stage
        done.append(StageReport(stage, StageStatus.FAILED, self._elapsed(), mask_within(error.detail)))
        verdict = self._judge(stage, error, done)
        return self._report(
            ok=False,
            done=done,
            stage=stage,
            cause=verdict.cause,
            confidence=verdict.confidence,
            explanation=verdict.explanation,
            remedy=verdict.remedy,
            fixer=verdict.fixer,
            retry=verdict.retry,
            doc_url=verdict.doc_url,
            evidence=verdict.evidence,
            alternatives=tuple(
                OtherCause(other.cause, other.confidence, other.explanation, other.remedy, other.fixer, other.doc_url)
                for other in verdict.alternatives
            ),
            server_text=mask(error.server_text),
            message=mask_own(error.message),
            exit_code=verdict.exit_code,
        )

    def _begin(self) -> Mapping[str, object]:
        self._secret = self._resolve(self.job)
        if not self._secret:
            raise SecretError("The password is empty")
        source = self.job.login.secret.kind  # a bare address has nothing kept: its password was just given
        learned: dict[str, object] = {
            "source": "what was given" if not self.job.gateway and source is SourceKind.KEYRING else str(source)
        }
        if self.job.token_refused:
            learned["renewed"] = True
        if isinstance(self._secret, BearerToken) and self._secret.warnings:
            learned["lapses"] = list(self._secret.warnings)
        return learned

    def _take(self, step: Callable[[], Mapping[str, object]]) -> None:
        self._began = self._clock()
        detail = step()
        self._done.append(
            StageReport(self._names[len(self._done)], StageStatus.PASSED, self._elapsed(), mask_within(dict(detail)))
        )

    def _elapsed(self) -> float:
        return round((self._clock() - self._began) * 1000, 1)

    def _judge(self, stage: str, error: MailctlError, done: Sequence[StageReport]) -> Verdict:
        job, knowledge = self.job, self._knowledge()
        facts = {f"error:{error.code}", *job.facts}
        if self._secret:
            provider = knowledge.provider_of(job.provider, job.endpoint.host)
            facts |= login_facts(job.login, job.address, self._secret, provider)
        facts |= {"by_itself"} if error.detail.get("by_itself") else set()
        if job.token_refused:
            facts |= {"token_renewed"}
        hint = error.cause or ("secret_unavailable" if isinstance(error, SecretError) else "")
        if error.code == "oauth_no_gateway" and "wants:oauth" in facts:  # no other source would help
            hint = "oauth_required"
        of_token = stage == "secret" and job.login.secret.kind is SourceKind.OAUTH
        elsewhere = of_token and bool(error.server_text or not isinstance(error, SecretError))  # who spoke, or did not
        known = stage == "secret" and error.cause and not error.server_text  # our own sentence is no evidence
        evidence = Evidence(
            protocol="oauth" if elsewhere else job.protocol.value,
            stage=stage,
            provider=job.provider,
            text="" if known else error.server_text or error.message,
            cause_hint=hint,
            host="" if elsewhere else job.endpoint.host,
            port=0 if elsewhere else job.endpoint.port,
            security=job.endpoint.security.value,
            facts=frozenset(facts),
            gateway=job.gateway,
            server=job.server,
            exit_code=error.exit_code,
        )
        verdict = judge(evidence, knowledge)
        if elsewhere:
            return in_own_words(verdict, error, stage)
        told = closer_look(job, verdict, done, error, self.looks, self.deadline)
        if told.facts:
            verdict = judge(replace(evidence, facts=evidence.facts | told.facts), knowledge)
        return in_own_words(with_told(stalled(verdict, job, stage, error.code), told), error, stage)

    def _with_late(self, stage: StageReport) -> StageReport:
        more = self._late.get(stage.name)
        return replace(stage, detail={**stage.detail, **mask_within(dict(more))}) if more else stage

    def _report(self, *, ok: bool, done: Sequence[StageReport] | None = None, **verdict: object) -> CheckReport:
        climbed = [self._with_late(stage) for stage in (self._done if done is None else done)]
        found = findings(self.job, climbed)
        missed = [StageReport(name, StageStatus.NOT_REACHED) for name in self._names[len(climbed) :]]
        return CheckReport(
            gateway=self.job.gateway,
            address=self.job.address,
            protocol=self.job.protocol,
            ok=ok,
            endpoint=str(self.job.endpoint),
            security=self.job.endpoint.security.value,
            warnings=tuple(each.text for each in found if each.level is Level.WARNING),
            findings=found,
            stages=(*climbed, *missed),
            transcript=tuple(self._lines()) if self.job.trace else (),
            **verdict,  # type: ignore[arg-type]  # the fields that `failed` names
        )


def run_check(
    job: CheckJob,
    open_session: OpenSession,
    secret: SecretResolver,
    knowledge: Callable[[], Knowledge],
    clock: Callable[[], float] = monotonic,
    looks: Looks | None = None,
) -> CheckReport:
    """Carry out one check. knowledge: called only if it fails. clock: monotonic seconds. looks: for second looks."""
    return Climb(job, open_session, secret, knowledge, clock, looks).run()
