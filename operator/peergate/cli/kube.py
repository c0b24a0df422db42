"""Talk to the API server in plain JSON, with the caller's own credentials.

Bodies are decoded strictly (no duplicate names, whole numbers kept exact), because digests are computed over
them (approval-format.md §5.3).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

from peergate.cli.access import Access, Place, find_access
from peergate.cli.output import Output
from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.model.names import JsonObject

__all__ = ["ApiError", "Cluster", "connect", "object_path", "strict_json"]

_NOT_FOUND: Final = 404
_FIRST_ERROR: Final = 400
_GRACE_SECONDS: Final = 10.0
"""The server ends a watch; this much later it counts as broken."""
_LINE_LIMIT: Final = 16 << 20
"""Bytes of one watch event; objects are at most 3 MiB (kubernetes-facts.md C16)."""

PatchType = Literal["application/merge-patch+json", "application/apply-patch+yaml"]


class ApiError(CommandError):
    """The API server said no, with the status code it gave."""

    def __init__(
        self, user_message: str, *, status: int, message: str, reason: str = "", context: str = ""
    ) -> None:
        super().__init__(user_message, exit_code=1, context=context)
        self.status = status
        self.reason = reason
        """``status.reason``, as the server gave it; empty where it gave none."""
        self.message = message
        """The server's own words, made visible; several lines if it is a denial of the gate."""


class Cluster:
    """One cluster, as one context of a kubeconfig reaches it."""

    def __init__(self, access: Access, *, out: Output, place: Place) -> None:
        self.access = access
        self._out = out
        self.context = place.context
        self.name = place.cluster
        """The cluster's name in the kubeconfig."""
        self.namespace = out.flags.namespace or place.namespace or "default"
        """The flag's, else the context's, else ``default``."""
        self.namespace_given = bool(out.flags.namespace)
        self.date = ""
        """When the server sent its last answer, by its own clock, as HTTP writes it."""

    @property
    def server(self) -> str:
        """Return the API server's URL."""
        return self.access.server

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

    @contextmanager
    def watch(
        self, path: str, *, query: Mapping[str, str], accept: str = "", seconds: int
    ) -> Iterator[Iterator[JsonObject]]:
        """Give the events of a watch that the server ends after so many seconds; errors as ``get``.

        The lines of a stream that breaks off end it early; whoever watches goes on with another.
        """
        asked = {**query, "watch": "1", "timeoutSeconds": str(seconds)}
        with self._send(
            "GET", path, query=asked, accept=accept, patience=seconds + _GRACE_SECONDS
        ) as response:
            yield _events(response)

    def with_token(self, token: str) -> Cluster:
        """Return the same cluster for whoever the token is of, and nobody else."""
        place = Place(context=self.context, cluster=self.name, namespace=self.namespace)
        return Cluster(self.access.with_token(token), out=self._out, place=place)

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
        with self._send(
            method, path, body=body, query=query, accept=accept, content_type=content_type
        ) as response:
            return strict_json(self._content(response))

    def _content(self, response: Any) -> bytes:
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - help and completion start without it

        try:
            return bytes(response.data)
        except HTTPError as error:
            raise self._silent(error) from error

    def _silent(self, error: Exception) -> CommandError:
        return CommandError(
            f"no answer from the cluster; can't reach {self.server}; check --context and the network",
            context=str(error),
        )

    @contextmanager
    def _send(
        self,
        method: str,
        path: str,
        *,
        body: JsonObject | None = None,
        query: Mapping[str, str] | None = None,
        accept: str = "",
        content_type: str = "application/json",
        patience: float | None = None,
    ) -> Iterator[Any]:
        """Give the response, its body not read yet; errors as ``get``.

        Units: ``patience`` in seconds without a byte, for a stream.
        """
        from urllib3 import HTTPHeaderDict, Timeout  # noqa: PLC0415 - help and completion start without it
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - as above

        flags = self._out.flags
        url = f"{self.server}{path}" + (f"?{urlencode(query)}" if query else "")
        plain = {"Accept": accept or "application/json", "User-Agent": "peergate"}
        if body is not None:
            plain["Content-Type"] = content_type
        plain |= self.access.headers(method=method, path=path)
        headers = HTTPHeaderDict(plain)
        if flags.as_user:
            headers.add("Impersonate-User", flags.as_user)
        for group in flags.as_groups:
            headers.add("Impersonate-Group", group)
        if flags.as_uid:
            headers.add("Impersonate-Uid", flags.as_uid)
        started = time.monotonic()
        limit = flags.request_timeout.total_seconds()
        try:
            response = self.access.pool.request(
                method,
                url,
                body=None if body is None else json.dumps(body, ensure_ascii=False).encode(),
                headers=headers,
                timeout=Timeout(connect=limit, read=limit if patience is None else patience),
                retries=False,
                preload_content=False,
            )
        except HTTPError as error:
            raise self._silent(error) from error
        self.date = response.headers.get("Date", "")
        try:
            spent = (time.monotonic() - started) * 1000
            self._out.trace(f"{method} {path} {response.status} in {spent:.0f} ms")
            for warning in response.headers.getlist("Warning"):
                self._out.say(f"Warning: {visible(_warning_text(warning))}")
            if response.status >= _FIRST_ERROR:
                raise _refused(method, path, status=response.status, content=self._content(response))
            yield response
        finally:
            # Read to its end, it goes back to the pool; a watch that was left goes with its connection.
            response.release_conn() if patience is None else response.close()


def _events(response: Any) -> Iterator[JsonObject]:
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - help and completion start without it

    rest = b""
    try:
        while part := response.read1(1 << 16):
            *lines, rest = (rest + part).split(b"\n")
            if len(rest) > _LINE_LIMIT:
                return
            yield from (strict_json(line) for line in lines if line.strip())
    except HTTPError:
        return


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
        document = json.loads(content)
        said, reason = document.get("message", ""), str(document.get("reason", ""))
    except (ValueError, AttributeError):
        said, reason = content[:200].decode("utf-8", "replace"), ""
    message = "\n".join(visible(line) for line in str(said).splitlines()) or f"HTTP {status}"
    what = f"the cluster refused {method} {visible(path)} ({status})"
    advice = {
        401: "log in again, or check the kubeconfig's credentials",
        403: "ask for the rights, or use another --context",
        404: "check the name and the namespace (-n)",
        409: "run the command again",
    }.get(status, "run it again with -v for the calls")
    return ApiError(f"{what}; {message}; {advice}", status=status, message=message, reason=reason)


def connect(out: Output) -> Cluster:
    """Return the cluster that flags, ``$KUBECONFIG`` or ``~/.kube/config`` name, else the one this runs in.

    Nothing is sent yet. Errors: CommandError when there is no usable configuration.
    """
    access, place = find_access(kubeconfig=out.flags.kubeconfig, context=out.flags.context)
    return Cluster(access, out=out, place=place)


def object_path(*, group: str, version: str, resource: str, namespace: str, name: str = "") -> str:
    """Return the path of one object, or of the collection without a name."""
    base = f"/apis/{group}/{version}" if group else f"/api/{version}"
    scope = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    return f"{base}{scope}/{resource}" + (f"/{quote(name, safe='')}" if name else "")
