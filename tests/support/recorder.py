"""A webhook that admits everything and remembers what it was sent."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.harness.cluster import Cluster

__all__ = ["Recorder", "recording"]


class Recorder:
    """What arrived, by gate, since it was last asked."""

    def __init__(self, *, url: str, ca_bundle: bytes) -> None:
        self.url = url
        self.ca_bundle = ca_bundle
        self._arrived: list[tuple[str, dict[str, Any]]] = []
        self._lock = threading.Lock()

    def client_config(self, gate: str) -> Mapping[str, Any]:
        """Return how the API server reaches it."""
        bundle = base64.b64encode(self.ca_bundle).decode("ascii")
        return {"url": f"{self.url}/gates/{gate}", "caBundle": bundle}

    def add(self, path: str, request: dict[str, Any]) -> None:
        with self._lock:
            self._arrived.append((path.partition("?")[0].removeprefix("/gates/"), request))

    def take(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what arrived and forget it."""
        with self._lock:
            arrived, self._arrived = self._arrived, []
        return arrived


@contextmanager
def recording(cluster: Cluster) -> Iterator[Recorder]:
    """Serve on loopback with a certificate of the cluster's authority."""
    pair = cluster.layout.authority.server("recorder")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            recorder.add(self.path, review["request"])
            answer = json.dumps(
                {
                    "apiVersion": "admission.k8s.io/v1",
                    "kind": "AdmissionReview",
                    "response": {"uid": review["request"]["uid"], "allowed": True},
                }
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing: what arrived is asserted on."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    recorder = Recorder(
        url=f"https://127.0.0.1:{server.server_port}",
        ca_bundle=cluster.layout.authority.pair.certificate.read_bytes(),
    )
    thread = threading.Thread(target=server.serve_forever, name="recorder")
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
