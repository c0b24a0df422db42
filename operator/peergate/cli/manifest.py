"""Read a manifest: exactly one Kubernetes object, from YAML or JSON, with nothing ambiguous in it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from peergate.cli.text import visible
from peergate.errors import CommandError
from peergate.model.names import JsonObject
from peergate.model.review import Kind

__all__ = ["kind_of", "read_bytes", "read_documents", "read_manifest"]


def read_bytes(path: str, *, what: str) -> bytes:
    """Return the bytes of a file, or of stdin for ``-``.

    Errors: CommandError with exit code 2 when it can't be read.
    """
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise CommandError(
            f"can't read the {what}; {visible(path)}: {error.strerror}; check the path",
            exit_code=2,
        ) from error


def read_documents(path: str, *, what: str) -> list[Any]:
    """Return the documents of a YAML or JSON file, without the empty ones.

    Errors: CommandError with exit code 2 for what can't be read, duplicate keys included.
    """
    import yaml  # noqa: PLC0415 - help and completion start without it

    text = read_bytes(path, what=what)
    try:
        return [found for found in yaml.load_all(text, Loader=_loader()) if found is not None]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CommandError(
            f"unreadable {what}; {visible(path)}: {visible(str(error))}; correct the YAML or JSON",
            exit_code=2,
        ) from error


def read_manifest(path: str) -> JsonObject:
    """Return the one object in a manifest.

    Errors: CommandError with exit code 2 for several documents or a List (one signature is about one object),
        for duplicate keys, and for what is no Kubernetes object.
    """
    documents = read_documents(path, what="manifest")
    if len(documents) != 1:
        raise CommandError(
            f"{len(documents)} documents in {visible(path)}; one signature is about one object; "
            "split the file and approve each object on its own",
            exit_code=2,
        )
    document = documents[0]
    if isinstance(document, dict) and isinstance(document.get("items"), list):
        raise CommandError(
            f"{visible(path)} is a list; one signature is about one object; approve each object on its own",
            exit_code=2,
        )
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str) or not metadata["name"]:
        raise CommandError(
            f"no object in {visible(path)}; it has no apiVersion, kind and metadata.name; check the file",
            exit_code=2,
        )
    kind_of(document)
    return dict(document)


def kind_of(manifest: JsonObject) -> Kind:
    """Return what the manifest's ``apiVersion`` and ``kind`` say.

    Errors: CommandError with exit code 2 if one is missing.
    """
    api_version, kind = manifest.get("apiVersion"), manifest.get("kind")
    if not isinstance(api_version, str) or not isinstance(kind, str) or not api_version or not kind:
        raise CommandError("no object; apiVersion or kind is missing; check the manifest", exit_code=2)
    group, _, version = api_version.rpartition("/")
    return Kind(group=group, version=version, kind=kind)


def _loader() -> type[Any]:
    """Return a YAML loader that refuses duplicate keys and leaves timestamps text, as kubectl does."""
    import yaml  # noqa: PLC0415 - help and completion start without it

    class Loader(yaml.SafeLoader):
        """YAML as Kubernetes reads it."""

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[str, Any]:
        loader.flatten_mapping(node)
        members: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            name = key if isinstance(key, str) else str(key_node.value)
            if name in members:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {name!r} occurs twice", key_node.start_mark
                )
            members[name] = loader.construct_object(value_node, deep=True)
        return members

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    return Loader
