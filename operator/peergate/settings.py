"""What an installation may set, each with its default, unit and reason.

Read from one YAML file (``peergate run --config FILE``); unknown names are an error, so that a misspelt
setting never silently means its default.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from peergate.errors import ConfigError
from peergate.model.names import AGENT_LABEL, AGENTS_LABEL, PROTECTED_LABEL
from peergate.model.wire import Duration

__all__ = [
    "AgentSettings",
    "ApprovalSettings",
    "ChangeRequestSettings",
    "ClientVerificationSettings",
    "LabelSettings",
    "LimitSettings",
    "LogSettings",
    "MetricsSettings",
    "Settings",
    "TlsSettings",
    "WebhookSettings",
    "load_settings",
    "read_settings",
]


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        # docs/configuration.md is made of them.
        use_attribute_docstrings=True,
    )


class AgentSettings(_Section):
    """Who is an agent beyond the accounts that carry the tag (experience.md §1.1)."""

    namespaces: tuple[str, ...] = ()
    """Every ServiceAccount in these namespaces."""
    groups: tuple[str, ...] = ()
    """Everybody in these groups."""
    usernames: tuple[str, ...] = ()
    """User names; ``*`` stands for any characters."""
    strict: bool = False
    """Every ServiceAccount outside kube-system and not in ``trusted``."""
    trusted: tuple[str, ...] = ()
    """User names that are never agents, whatever their tag."""


class ApprovalSettings(_Section):
    """How approvals of updates are spent."""

    retry_window: Duration = timedelta(seconds=40)
    """How long a used approval stays good for the identical change, since one client request may be reviewed
    two or three times; 0 is strictly once, and a conflict retry may then waste an approval. 40 s covers the
    34 s that an API request lives at most."""


class ChangeRequestSettings(_Section):
    """How long filed changes are kept."""

    expire_after: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(days=7))] = timedelta(hours=24)
    """A ChangeRequest that nobody decides ends after this; silence is a no."""
    delete_after: Duration = timedelta(hours=168)
    """One that has ended by itself at the latest is cleared away this much later."""


class LimitSettings(_Section):
    """What one requester may take up."""

    open_requests_per_requester: Annotated[int, Field(ge=0, le=10_000)] = 100
    """Above this, refused changes are not filed (the refusal says ``request=none``); 0 files nothing."""


class LabelSettings(_Section):
    """Which labels select; the words are not changed lightly."""

    agent: str = AGENT_LABEL
    """On a ServiceAccount, with the value ``"true"``: it is an agent."""
    agents: str = AGENTS_LABEL
    """On a Namespace, likewise: every ServiceAccount in it is an agent."""
    protected: str = PROTECTED_LABEL
    """On a Namespace, likewise: what is in it is protected."""


class ClientVerificationSettings(_Section):
    """Who may speak to the webhook port at all; the health port is not affected."""

    enabled: bool = False
    """Ask for a client certificate, and close the connection of who has none before a byte of it is read."""
    ca_file: Path = Path("/client-ca/ca.crt")
    """PEM of the CAs that sign the API server's client certificate; read at start."""
    subjects: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Common names of which the certificate must have one; empty: any that those CAs signed."""


class WebhookSettings(_Section):
    """The HTTPS port the API server calls."""

    host: str = "0.0.0.0"  # noqa: S104 - a pod serves on its own address
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 10250
    """Port to listen on; 10250 is open from the control plane on most private clusters."""
    timeout_seconds: Annotated[int, Field(ge=1, le=30)] = 5
    """As in the webhook configuration; our deadline is half a second shorter, so that our text arrives."""
    max_concurrent: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Reviews in work at once; more wait for their turn within their deadline."""
    max_body_bytes: Annotated[int, Field(ge=1 << 20)] = 8 << 20
    """A review holds two objects of at most 3 MiB each (kubernetes-facts.md C16), plus the rest."""
    drain_seconds: Annotated[int, Field(ge=0, le=60)] = 10
    """How long a replica that is told to stop still serves: until no Service sends to it any more."""
    configuration: str = "peergate"
    """Name of the ValidatingWebhookConfiguration; the operator keeps its ``agents`` condition."""
    client_verification: ClientVerificationSettings = ClientVerificationSettings()


class TlsSettings(_Section):
    """Where the serving certificate comes from."""

    mode: Literal["selfSigned", "files"] = "selfSigned"
    """``selfSigned``: made by the operator, shared through a Secret. ``files``: mounted, and read again on
    change."""
    secret: str = "peergate-tls"  # noqa: S105 - the Secret's name
    """For ``selfSigned``: the Secret, in the operator's namespace, that the replicas share."""
    directory: Path = Path("/tls")
    """For ``files``: holds ``tls.crt`` and ``tls.key``."""
    names: tuple[str, ...] = ()
    """DNS names and addresses of a self-signed certificate; empty: the Service's names."""


class MetricsSettings(_Section):
    """The plain HTTP port with ``/livez``, ``/readyz`` and ``/metrics``."""

    host: str = "0.0.0.0"  # noqa: S104 - a pod serves on its own address
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port to listen on."""


class LogSettings(_Section):
    """What the log shows."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is written."""
    format: Literal["json", "text"] = "json"
    """One JSON object a line, or text for people."""


class Settings(_Section):
    """All of it."""

    namespace: str = "peergate-system"
    """The operator's own namespace."""
    service_account: str = "peergate"
    """The operator's own ServiceAccount."""
    service: str = "peergate"
    """The Service in front of the webhook port."""
    agents: AgentSettings = AgentSettings()
    approvals: ApprovalSettings = ApprovalSettings()
    change_requests: ChangeRequestSettings = ChangeRequestSettings()
    limits: LimitSettings = LimitSettings()
    labels: LabelSettings = LabelSettings()
    webhook: WebhookSettings = WebhookSettings()
    tls: TlsSettings = TlsSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()

    @property
    def operator_username(self) -> str:
        """Return the operator's own user name, which no gate is asked about."""
        return f"system:serviceaccount:{self.namespace}:{self.service_account}"


def load_settings(path: Path | None) -> Settings:
    """Return the settings of a YAML file; the defaults for ``None``.

    Errors:
        ConfigError: the file can't be read, or a name or value in it is not known; names the field.
    """
    if path is None:
        return Settings()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"can't read the settings; {path} is no readable YAML file; check --config"
        ) from error
    return read_settings(text, where=str(path))


def read_settings(text: str, *, where: str) -> Settings:
    """Return the settings in a YAML text; ``where`` it stands is for the error.

    Errors:
        ConfigError: as ``load_settings``.
    """
    import yaml  # noqa: PLC0415 - the command line starts without it

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"can't read the settings; {where} is no readable YAML file; check --config"
        ) from error
    try:
        return Settings.model_validate(document or {})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"wrong setting; {field}: {first['msg']}; correct {where}") from error
