"""A cluster that is not ours, as ``Users`` see it: all that is known is its administrator's kubeconfig.

People get their certificates from the cluster itself (CertificateSigningRequest), since its keys are its own.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.harness.binaries import Binaries
from tests.harness.kubeconfig import write_kubeconfig
from tests.harness.pki import KeyPair
from tests.harness.users import Users
from tests.harness.waiting import wait_until

__all__ = ["JoinedCluster"]

_REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


class JoinedCluster(Users):
    """Who uses a cluster that is not ours; files go into ``folder``."""

    def __init__(self, kubeconfig: Path, *, folder: Path, binaries: Binaries) -> None:
        super().__init__()
        self._programs = binaries
        self.folder = folder
        self.kubeconfig = kubeconfig
        (folder / "home").mkdir(parents=True, exist_ok=True)
        document = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        [entry] = document["clusters"]
        self.server = entry["cluster"]["server"]
        self.certificate_authority = folder / "ca.crt"
        self.certificate_authority.write_bytes(_authority(entry["cluster"]))
        self.admin = self.client(kubeconfig)

    def kubeconfig_for_user(
        self, username: str, *, groups: Sequence[str] = (), path: Path | None = None
    ) -> Path:
        """Write a kubeconfig with a client certificate of a person; return its path.

        Errors:
            RuntimeError: the cluster takes no such request, as for group system:masters.
        """
        file_name = "".join(letter if letter.isalnum() else "-" for letter in username)
        pair = KeyPair(certificate=self.folder / f"{file_name}.crt", key=self.folder / f"{file_name}.key")
        key = ec.generate_private_key(ec.SECP256R1())
        pair.key.touch(mode=0o600)
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, username))
        wanted = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
        request = wanted.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        pair.certificate.write_bytes(self._certificate(request))
        return write_kubeconfig(
            path or self.folder / "users" / f"{file_name}.kubeconfig",
            server=self.server,
            authority=self.certificate_authority,
            user=pair,
        )

    def _certificate(self, request: bytes) -> bytes:
        name = f"person-{secrets.token_hex(5)}"
        body: dict[str, Any] = {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": name},
            "spec": {
                "request": base64.b64encode(request).decode("ascii"),
                "signerName": "kubernetes.io/kube-apiserver-client",
                "usages": ["client auth"],
            },
        }
        made = self.admin.request("POST", _REQUESTS, body=body)
        if made.code != 201:
            raise RuntimeError(f"the cluster takes no request for a certificate: {made.body}")
        approved = {"type": "Approved", "status": "True", "reason": "Tests", "message": "for a test's person"}
        made.body["status"] = {"conditions": [approved]}
        self.admin.request("PUT", f"{_REQUESTS}/{name}/approval", body=made.body)
        signed = ""

        def is_signed() -> bool:
            nonlocal signed
            status = self.admin.request("GET", f"{_REQUESTS}/{name}").body["status"]
            signed = status.get("certificate", "")
            return bool(signed)

        wait_until("the cluster signs the certificate", is_signed)
        self.admin.request("DELETE", f"{_REQUESTS}/{name}")
        return base64.b64decode(signed)


def _authority(entry: dict[str, str]) -> bytes:
    if "certificate-authority-data" in entry:
        return base64.b64decode(entry["certificate-authority-data"])
    return Path(entry["certificate-authority"]).read_bytes()
