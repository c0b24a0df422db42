"""Find the installation: the live webhook configuration, and the settings the operator runs with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from peergate.cli.doctor.reading import Reader
from peergate.cli.text import visible
from peergate.errors import ConfigError
from peergate.model.names import JsonObject
from peergate.model.review import Gate
from peergate.settings import Settings, load_settings, read_settings
from peergate.shipped.webhookconfig import entry_name

__all__ = ["CONFIGURATIONS", "find_configuration", "find_settings", "own_namespace"]

CONFIGURATIONS: Final = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"

_NAMESPACE_LABEL: Final = "kubernetes.io/metadata.name"
_ANNOTATION: Final = re.compile(r"metadata\.annotations\['([^']+)'\]")


def find_configuration(configurations: Sequence[JsonObject], *, name: str) -> JsonObject | None:
    """Return Peergate's own among all webhook configurations: by its name, else by its entries."""
    by_name = {str((item.get("metadata") or {}).get("name")): item for item in configurations}
    if name in by_name:
        return by_name[name]
    own = entry_name(Gate.OWN)
    return next(
        (
            item
            for item in configurations
            if any(entry.get("name") == own for entry in item.get("webhooks") or ())
        ),
        None,
    )


def own_namespace(configuration: JsonObject | None) -> str:
    """Return the operator's namespace as the entry that guards it names it; empty if none does."""
    for entry in (configuration or {}).get("webhooks") or ():
        if entry.get("name") == entry_name(Gate.OWN):
            for term in (entry.get("namespaceSelector") or {}).get("matchExpressions") or ():
                values: Sequence[str] = term.get("values") or []
                if term.get("key") == _NAMESPACE_LABEL and len(values) == 1:
                    return str(values[0])
    return ""


def find_settings(
    reader: Reader, *, file: Path | None, configuration: JsonObject | None
) -> tuple[Settings, str]:
    """Return the settings and where they come from: the file, what the operator mounts, or the defaults.

    Errors: ConfigError for a file that can't be read; what is wrong in the cluster's is told in words.
    """
    if file is not None:
        return load_settings(file), f"the file {visible(str(file))}"
    namespace = own_namespace(configuration) or Settings().namespace
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    for deployment in reader.all(path) or ():
        text, where = _mounted(deployment, reader=reader, namespace=namespace)
        if isinstance(text, str):
            try:
                return read_settings(text, where=where), where
            except ConfigError as error:
                return Settings(
                    namespace=namespace
                ), f"the defaults, as {where} is wrong: {error.user_message}"
    return Settings(namespace=namespace), "the defaults; another installation needs --config FILE"


def _mounted(deployment: JsonObject, *, reader: Reader, namespace: str) -> tuple[object, str]:
    """Return what ``run --config`` reads in a Deployment of the operator, and where that stands.

    The chart has it in an annotation of the Pods; whoever writes manifests may take a ConfigMap.
    """
    template = (deployment.get("spec") or {}).get("template") or {}
    spec = template.get("spec") or {}
    volumes = {volume.get("name"): volume for volume in spec.get("volumes") or ()}
    for container in spec.get("containers") or ():
        file = _config_file([*(container.get("command") or ()), *(container.get("args") or ())])
        for mount in container.get("volumeMounts") or ():
            path = _path_in(mount, file=file)
            volume = volumes.get(mount.get("name")) or {}
            annotation = _annotation(volume.get("downwardAPI") or {}, path=path)
            if annotation:
                name = visible(str((deployment.get("metadata") or {}).get("name")))
                text = ((template.get("metadata") or {}).get("annotations") or {}).get(annotation)
                return text, f"Deployment {namespace}/{name}, annotation {visible(annotation)}"
            source = volume.get("configMap") or {}
            if path is not None and source.get("name"):
                config_map = reader.get(f"/api/v1/namespaces/{namespace}/configmaps/{source['name']}") or {}
                text = (config_map.get("data") or {}).get(_key(source, path=path))
                return text, f"ConfigMap {namespace}/{visible(str(source['name']))}"
    return None, ""


def _path_in(mount: Mapping[str, Any], *, file: str) -> str | None:
    """Return the path of a file within the volume that is mounted there; ``None`` if it is elsewhere."""
    folder = str(mount.get("mountPath", "")).rstrip("/")
    if file and file == folder:
        return str(mount.get("subPath") or "")
    return file.removeprefix(f"{folder}/") if file.startswith(f"{folder}/") else None


def _annotation(source: Mapping[str, Any], *, path: str | None) -> str:
    """Return which annotation of the Pod a downward API volume shows at this path; empty if none."""
    for item in source.get("items") or ():
        found = _ANNOTATION.fullmatch(str((item.get("fieldRef") or {}).get("fieldPath")))
        if found is not None and item.get("path") == path:
            return found[1]
    return ""


def _config_file(words: Sequence[str]) -> str:
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "--config":
            return following
        if word.startswith("--config="):
            return word.removeprefix("--config=")
    return ""


def _key(source: Mapping[str, Any], *, path: str) -> str:
    return next(
        (str(item.get("key")) for item in source.get("items") or () if item.get("path") == path), path
    )
