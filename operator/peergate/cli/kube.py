"""Talk to the API server in plain JSON, with the caller's own credentials.

Bodies are decoded strictly (no duplicate names, whole numbers kept exact), because digests are computed over
them (approval-format.md §5.3).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

from peergate.cli.output import Output
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.model.names import JsonObject

__all__ = ["ApiError", "Cluster", "connect", "object_path", "strict_json"]

_NOT_FOUND: Final = 404
_FIRST_ERROR: Final = 400
_IN_CLUSTER_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

PatchType = Literal["application/merge-patch+json", "application/apply-patch+yaml"]


class ApiError(CommandError):
    """The API server said no, with the status code it gave."""

    def __init__(self, user_message: str, *, status: int, message: str, context: str = "") -> None:
        super().__init__(user_message, exit_code=1, context=context)
        self.status = status
        self.message = message
        """The server's own words, made visible; several lines if it is a denial of the gate."""


class Cluster:
    """One cluster, as one context of a kubeconfig reaches it."""

    def __init__(self, api: Any, *, out: Output, context: str, name: str, namespace: str) -> None:
        self._api = api
        self._out = out
        self.context = context
        self.name = name
        """The cluster's name in the kubeconfig."""
        self.namespace = namespace
        """The flag's, else the context's, else ``default``."""
        self.namespace_given = bool(out.flags.namespace)
        self.date = ""
        """When the server sent its last answer, by its own clock, as HTTP writes it."""

    @property
    def server(self) -> str:
        """Return the API server's URL."""
        return str(self._api.configuration.host)

    @property
    def configuration(self) -> Any:
        """Return the client configuration, for its server and CA."""
        return self._api.configuration

    def get(self, path: str, *, query: Mapping[str, str] | None = None, accept: str = "") -> JsonObject:
        """Return the object at the path.

        Errors: ApiError for every status from 400; CommandError when no answer came.
        """
        return self._call("GET", path, query=query, accept=accept)

    def find(self, path: str) -> JsonObject | None:
        """Return the object at the path, ``None`` if there is none; errors as ``get``."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    def create(self, path: str, body: JsonObject) -> JsonObject:
        """Return the object as created; errors as ``get``."""
        return self._call("POST", path, body=body)

    def replace(self, path: str, body: JsonObject, *, query: Mapping[str, str] | None = None) -> JsonObject:
        """Return the object as replaced; errors as ``get``."""
        return self._call("PUT", path, body=body, query=query)

    def patch(
        self,
        path: str,
        body: JsonObject,
        *,
        kind: PatchType = "application/merge-patch+json",
        query: Mapping[str, str] | None = None,
    ) -> JsonObject:
        """Return the object as patched; errors as ``get``."""
        return self._call("PATCH", path, body=body, content_type=kind, query=query)

    def delete(self, path: str, options: JsonObject, *, dry_run: bool = False) -> JsonObject:
        """Return what the server answers to a deletion with these DeleteOptions; errors as ``get``."""
        # In the body, because the API server reads no query where there is one.
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        return self._call("DELETE", path, body={**body, "dryRun": ["All"]} if dry_run else body)

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: JsonObject | None = None,
        query: Mapping[str, str] | None = None,
        accept: str = "",
        content_type: str = "application/json",
    ) -> JsonObject:
        from urllib3 import HTTPHeaderDict  # noqa: PLC0415 - help and completion start without it
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - as above

        flags = self._out.flags
        url = f"{self.server}{path}" + (f"?{urlencode(query)}" if query else "")
        plain: dict[str, str] = {"Accept": accept or "application/json", "User-Agent": "peergate"}
        if body is not None:
            plain["Content-Type"] = content_type
        self._api.update_params_for_auth(plain, [], ["BearerToken"], path, method, body)
        headers = HTTPHeaderDict(plain)
        if flags.as_user:
            headers.add("Impersonate-User", flags.as_user)
        for group in flags.as_groups:
            headers.add("Impersonate-Group", group)
        if flags.as_uid:
            headers.add("Impersonate-Uid", flags.as_uid)
        started = time.monotonic()
        try:
            response = self._api.rest_client.pool_manager.request(
                method,
                url,
                body=None if body is None else json.dumps(body, ensure_ascii=False).encode(),
                headers=headers,
                timeout=flags.request_timeout.total_seconds(),
                retries=False,
            )
        except HTTPError as error:
            raise CommandError(
                f"no answer from the cluster; can't reach {self.server}; check --context and the network",
                context=str(error),
            ) from error
        self.date = response.headers.get("Date", "")
        spent = (time.monotonic() - started) * 1000
        self._out.trace(f"{method} {path} {response.status} in {spent:.0f} ms")
        for warning in response.headers.getlist("Warning"):
            self._out.say(f"Warning: {visible(_warning_text(warning))}")
        if response.status >= _FIRST_ERROR:
            raise _refused(method, path, status=response.status, content=response.data)
        return strict_json(response.data)


def strict_json(content: bytes) -> JsonObject:
    """Return the JSON object in the bytes.

    Errors: CommandError if it is none, if a name occurs twice or a number is not finite: such an object has
        no digest (approval-format.md §5.3).
    """
    try:
        found = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as error:
        raise CommandError(
            "unreadable answer; it is no strict JSON; check that the address is a Kubernetes API server",
            context=str(error),
        ) from error
    if not isinstance(found, dict):
        raise CommandError("unreadable answer; it is no JSON object; check the address of the API server")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name occurs twice")
    return members


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON number")


def _warning_text(header: str) -> str:
    start, end = header.find('"'), header.rfind('"')
    return header[start + 1 : end].replace('\\"', '"') if 0 <= start < end else header


def _refused(method: str, path: str, *, status: int, content: bytes) -> ApiError:
    try:
        said = json.loads(content).get("message", "")
    except (ValueError, AttributeError):
        said = content[:200].decode("utf-8", "replace")
    message = "\n".join(visible(line) for line in str(said).splitlines()) or f"HTTP {status}"
    what = f"the cluster refused {method} {visible(path)} ({status})"
    advice = {
        401: "log in again, or check the kubeconfig's credentials",
        403: "ask for the rights, or use another --context",
        404: "check the name and the namespace (-n)",
        409: "run the command again",
    }.get(status, "run it again with -v for the calls")
    return ApiError(f"{what}; {message}; {advice}", status=status, message=message)


def connect(out: Output) -> Cluster:
    """Return the cluster that flags, ``$KUBECONFIG`` or ``~/.kube/config`` name, else the one this runs in.

    Nothing is sent yet. Errors: CommandError when there is no usable configuration.
    """
    from kubernetes import client, config  # noqa: PLC0415 - help and completion start without it

    flags = out.flags
    settings = client.Configuration()
    settings.retries = False
    no_file = not flags.kubeconfig and not os.environ.get("KUBECONFIG") and not _default_file().exists()
    try:
        if no_file and os.environ.get("KUBERNETES_SERVICE_HOST"):
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
            own = _IN_CLUSTER_NAMESPACE.read_text(encoding="ascii").strip()
            entry: JsonObject = {"name": "in-cluster", "context": {"cluster": "in-cluster", "namespace": own}}
        else:
            entry = _context(config, file=flags.kubeconfig, wanted=flags.context)
            config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=flags.kubeconfig,
                context=entry["name"],
                client_configuration=settings,
                persist_config=False,
            )
    except (config.ConfigException, OSError, ValueError, TypeError) as error:
        raise CommandError(
            f"no cluster to talk to; {visible(str(error))}; set KUBECONFIG, --kubeconfig or --context",
        ) from error
    body = entry.get("context") or {}
    return Cluster(
        client.ApiClient(settings),
        out=out,
        context=str(entry.get("name", "")),
        name=str(body.get("cluster", "")),
        namespace=flags.namespace or str(body.get("namespace") or "default"),
    )


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


def object_path(*, group: str, version: str, resource: str, namespace: str, name: str = "") -> str:
    """Return the path of one object, or of the collection without a name."""
    base = f"/apis/{group}/{version}" if group else f"/api/{version}"
    scope = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    return f"{base}{scope}/{resource}" + (f"/{quote(name, safe='')}" if name else "")
