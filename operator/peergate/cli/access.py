"""How a kubeconfig reaches a cluster: address, credentials, connections.

A plain kubeconfig (a token, a client certificate) is read here, since importing the official client takes
half a second. Everything that runs a program, renews a credential or names a proxy goes to that client.
"""

from __future__ import annotations

import base64
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.model.names import JsonObject

__all__ = ["Access", "Place", "find_access", "plain_access"]

_IN_CLUSTER_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_PLAIN_CLUSTER: Final = frozenset(
    {"server", "certificate-authority", "certificate-authority-data", "extensions"}
)
_PLAIN_USER: Final = frozenset(
    {"token", "client-certificate", "client-certificate-data", "client-key", "client-key-data", "extensions"}
)
_PROXIES: Final = ("https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY")
_SERVER: Final = re.compile(r"https://[^/?#]+(/[^?#]*)?")


@dataclass(frozen=True, slots=True)
class Place:
    """Which cluster a kubeconfig's context means."""

    context: str
    cluster: str
    namespace: str
    """Empty when the context names none."""


@dataclass(frozen=True, slots=True)
class Access:
    """One API server, and who we are there."""

    server: str
    pool: Any
    """urllib3's; verifies the server, and holds the client certificate."""
    authority: bytes
    """The CA certificates (PEM) that the server is verified against; empty: the system's."""
    verified: bool
    server_name: str
    """Expected in the server's certificate in place of its address; usually empty."""
    _headers: Mapping[str, str]
    _client: Any = None

    def headers(self, *, method: str, path: str) -> dict[str, str]:
        """Return what proves who we are, fresh for every call; errors as ``find_access``."""
        found = dict(self._headers)
        if self._client is not None:
            self._client.update_params_for_auth(found, [], ["BearerToken"], path, method, None)
        return found

    def with_token(self, token: str) -> Access:
        """Return the way to the same server with this token alone: no client certificate goes along.

        Errors: CommandError where the server is not verified against certificates of its own.
        """
        if not self.authority or self.server_name:
            raise CommandError("can't act with a token; the kubeconfig names no CA; name one")
        return Access(
            server=self.server,
            pool=_pool(authority=self.authority, certificate=b"", key=b""),
            authority=self.authority,
            verified=True,
            server_name="",
            _headers={"Authorization": f"Bearer {token}"},
        )


def find_access(*, kubeconfig: str | None, context: str | None) -> tuple[Access, Place]:
    """Return how flags, ``$KUBECONFIG``, ``~/.kube/config`` or the pod this runs in reach a cluster.

    Nothing is sent yet. Errors: CommandError when there is no usable configuration.
    """
    return plain_access(kubeconfig=kubeconfig, context=context) or _official(
        kubeconfig=kubeconfig, context=context
    )


def plain_access(*, kubeconfig: str | None, context: str | None) -> tuple[Access, Place] | None:
    """Return what a plain kubeconfig says; ``None`` for everything that is not plain, errors included."""
    import yaml  # noqa: PLC0415 - help and completion start without it

    named = kubeconfig or os.environ.get("KUBECONFIG") or str(_default_file())
    if os.pathsep in named or any(os.environ.get(name) for name in _PROXIES):
        return None
    file = Path(named).expanduser()
    try:
        document = yaml.load(file.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        wanted = context or document["current-context"]
        scope = _entry(document, "context", name=wanted)
        cluster = _entry(document, "cluster", name=scope["cluster"])
        user = _entry(document, "user", name=scope["user"])
        plain = cluster.keys() <= _PLAIN_CLUSTER and user.keys() <= _PLAIN_USER
        if not plain or not _SERVER.fullmatch(cluster["server"]):
            return None
        authority = _bytes_of(cluster, "certificate-authority", folder=file.parent)
        certificate = _bytes_of(user, "client-certificate", folder=file.parent)
        key = _bytes_of(user, "client-key", folder=file.parent)
        token = user.get("token")
        if not authority or not (token or (certificate and key)):
            return None
        access = Access(
            server=cluster["server"].rstrip("/"),
            pool=_pool(authority=authority, certificate=certificate, key=key),
            authority=authority,
            verified=True,
            server_name="",
            _headers={"Authorization": f"Bearer {token}"} if token else {},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        # Not for us to say what is wrong with it: the official client does.
        return None
    place = Place(context=wanted, cluster=str(scope["cluster"]), namespace=str(scope.get("namespace") or ""))
    return access, place


def _entry(document: JsonObject, kind: str, *, name: str) -> JsonObject:
    """Return the one entry of that name.  Errors: ValueError unless there is exactly one."""
    found = [entry[kind] for entry in document[f"{kind}s"] if entry["name"] == name]
    if len(found) != 1 or not isinstance(found[0], dict):
        raise ValueError(kind)
    return dict(found[0])


def _bytes_of(entry: JsonObject, member: str, *, folder: Path) -> bytes:
    data, path = entry.get(f"{member}-data"), entry.get(member)
    if data:
        return base64.b64decode(data, validate=True)
    return (folder / path).read_bytes() if path else b""


def _pool(*, authority: bytes, certificate: bytes, key: bytes) -> Any:
    from urllib3 import PoolManager  # noqa: PLC0415 - help and completion start without it
    from urllib3.util.ssl_ import create_urllib3_context  # noqa: PLC0415 - as above

    # What the official client uses too: the server is verified, its name included.
    settings = create_urllib3_context()
    settings.load_verify_locations(cadata=authority.decode("ascii"))
    if certificate:
        # OpenSSL reads a certificate from a file only. It is readable to its owner alone, and gone at once.
        with tempfile.NamedTemporaryFile() as file:
            file.write(certificate.rstrip() + b"\n" + key)
            file.flush()
            settings.load_cert_chain(file.name)
    # Doctor asks four questions at once; a connection that is not kept costs a handshake each.
    return PoolManager(ssl_context=settings, retries=False, maxsize=4)


def _official(*, kubeconfig: str | None, context: str | None) -> tuple[Access, Place]:
    from kubernetes import client, config  # noqa: PLC0415 - help and completion start without it

    settings = client.Configuration()
    settings.retries = False
    no_file = not kubeconfig and not os.environ.get("KUBECONFIG") and not _default_file().exists()
    try:
        if no_file and os.environ.get("KUBERNETES_SERVICE_HOST"):
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
            own = _IN_CLUSTER_NAMESPACE.read_text(encoding="ascii").strip()
            entry: JsonObject = {"name": "in-cluster", "context": {"cluster": "in-cluster", "namespace": own}}
        else:
            entry = _context(config, file=kubeconfig, wanted=context)
            config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=kubeconfig,
                context=entry["name"],
                client_configuration=settings,
                persist_config=False,
            )
        authority = Path(settings.ssl_ca_cert).read_bytes() if settings.ssl_ca_cert else b""
    except (config.ConfigException, OSError, ValueError, TypeError) as error:
        raise CommandError(
            f"no cluster to talk to; {visible(str(error))}; set KUBECONFIG, --kubeconfig or --context",
        ) from error
    api = client.ApiClient(settings)
    body = entry.get("context") or {}
    access = Access(
        server=str(settings.host),
        pool=api.rest_client.pool_manager,
        authority=authority,
        verified=bool(settings.verify_ssl),
        server_name=str(settings.tls_server_name or ""),
        _headers={},
        _client=api,
    )
    place = Place(
        context=str(entry.get("name", "")),
        cluster=str(body.get("cluster", "")),
        namespace=str(body.get("namespace") or ""),
    )
    return access, place


def _default_file() -> Path:
    return Path("~/.kube/config").expanduser()


def _context(config: Any, *, file: str | None, wanted: str | None) -> JsonObject:
    contexts, active = config.list_kube_config_contexts(config_file=file)
    for entry in contexts:
        if wanted is not None and entry.get("name") == wanted:
            return dict(entry)
    if wanted is not None:
        raise ValueError(f"the kubeconfig has no context {wanted!r}")
    return dict(active)
