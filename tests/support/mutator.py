"""A mutating webhook that adds to the objects of one namespace, as a sidecar injector does."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.harness.cluster import Cluster

__all__ = ["mutating"]


@contextmanager
def mutating(
    cluster: Cluster,
    *,
    namespace: str,
    when: str,
    patch: Sequence[Mapping[str, Any]] = (),
    meanwhile: Callable[[], object] = lambda: None,
) -> Iterator[None]:
    """Have the JSON patch applied to ConfigMaps that are updated in the namespace; ``when`` is CEL.

    ``meanwhile`` is called during each review that is no dry run, before the answer.
    """
    pair = cluster.layout.authority.server("mutator")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    encoded = base64.b64encode(json.dumps(list(patch)).encode()).decode("ascii")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not review["request"]["dryRun"]:
                meanwhile()
            response = {
                "uid": review["request"]["uid"],
                "allowed": True,
                "patchType": "JSONPatch",
                "patch": encoded,
            }
            answer = json.dumps(
                {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, name="mutator")
    thread.start()
    name = f"mutator-{namespace}"
    bundle = base64.b64encode(cluster.layout.authority.pair.certificate.read_bytes()).decode("ascii")
    try:
        body = _configuration(name, namespace, when=when, port=server.server_port, bundle=bundle)
        cluster.admin.apply(body)
        yield
    finally:
        path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
        cluster.admin.request("DELETE", f"{path}/{name}")
        server.shutdown()
        thread.join()
        server.server_close()


def _configuration(name: str, namespace: str, *, when: str, port: int, bundle: str) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "mutator.example.com",
                "clientConfig": {"url": f"https://127.0.0.1:{port}/", "caBundle": bundle},
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "resources": ["configmaps"],
                        "operations": ["UPDATE"],
                    }
                ],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "matchConditions": [{"name": "when", "expression": when}],
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }
