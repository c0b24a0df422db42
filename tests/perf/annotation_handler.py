"""A plain kopf handler that only looks for an annotation, run by ``kopf run``; an arm of ``through.py``.

What a first version of a review gate would be. It verifies nothing and decides nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import kopf

_DIRECTORY = Path(os.environ["BENCH_DIRECTORY"])
_PORT = int(os.environ["BENCH_PORT"])
_ANNOTATION = os.environ["BENCH_ANNOTATION"]


@kopf.on.startup()
def serve(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.admission.server = kopf.WebhookServer(
        addr="127.0.0.1",
        port=_PORT,
        certfile=_DIRECTORY / "tls.crt",
        pkeyfile=_DIRECTORY / "tls.key",
    )


@kopf.on.validate("configmaps", operations=["UPDATE", "DELETE"])
@kopf.on.validate("apps", "deployments", operations=["UPDATE", "DELETE"])
def annotated(annotations: kopf.Annotations, **_: Any) -> None:
    if _ANNOTATION not in annotations:
        raise kopf.AdmissionError("no approval", code=403)
