"""How the process proves who it is to the API server: by a pod's ServiceAccount, else by a kubeconfig."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kubernetes.aio import config as kubernetes_config
from kubernetes.aio.client import Configuration

from peergate.errors import ConfigError, Unavailable

__all__ = ["Connection", "authorization_of", "connection_of", "load_configuration"]

_DEFAULT_KUBECONFIG = Path("~/.kube/config").expanduser()


@dataclass(frozen=True, slots=True)
class Connection:
    """The same credentials for another HTTP client (kopf's)."""

    server: str
    ca_path: str | None
    certificate_path: str | None
    private_key_path: str | None
    scheme: str | None
    token: str | None
    insecure: bool


async def load_configuration(kubeconfig: Path | None = None) -> Configuration:
    """Return the client's configuration, read afresh.

    The first of: ``kubeconfig``, ``$KUBECONFIG``, the pod's ServiceAccount, ``~/.kube/config``. A pod's token
    is read again every minute by the returned object itself.

    Errors:
        ConfigError: none of them is there, or it can't be read.
    """
    configuration = Configuration()
    # The operator talks to the API server only; a proxy is used only where the kubeconfig names one.
    configuration.client_session_kwargs = {"trust_env": False}
    chosen = kubeconfig or (Path(os.environ["KUBECONFIG"]) if os.environ.get("KUBECONFIG") else None)
    try:
        if chosen is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            kubernetes_config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        else:
            await kubernetes_config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=str(chosen or _DEFAULT_KUBECONFIG),
                client_configuration=configuration,
                persist_config=False,
            )
    except (kubernetes_config.ConfigException, OSError) as error:
        raise ConfigError(
            "can't connect to Kubernetes; no pod ServiceAccount and no readable kubeconfig; set KUBECONFIG",
            context=str(error),
        ) from error
    return configuration


async def connection_of(configuration: Configuration) -> Connection:
    """Return the credentials that a configuration holds now."""
    authorization = await authorization_of(configuration)
    scheme, _, token = authorization.partition(" ")
    return Connection(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert or None,
        certificate_path=configuration.cert_file or None,
        private_key_path=configuration.key_file or None,
        scheme=scheme or None,
        token=token or None,
        insecure=not configuration.verify_ssl,
    )


async def authorization_of(configuration: Configuration) -> str:
    """Return the ``Authorization`` header's value; empty with a client certificate. Errors: Unavailable."""
    try:
        value = await configuration.get_api_key_with_prefix("BearerToken")
    except (kubernetes_config.ConfigException, OSError) as error:
        raise Unavailable("the ServiceAccount token can't be read", context=str(error)) from error
    return str(value).strip() if value else ""
