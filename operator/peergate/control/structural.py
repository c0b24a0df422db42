"""A pydantic model's JSON Schema as the structural schema that a CustomResourceDefinition takes.

Kubernetes knows no ``$ref``, no ``null`` type and no closed objects: unknown fields are pruned, and refused
by clients that validate strictly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from peergate.model.names import JsonObject

__all__ = ["structural_schema"]

_KEPT: Final = (
    "description",
    "type",
    "format",
    "nullable",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "default",
    "required",
)
"""Keywords taken as they are, in the order in which they are written."""

_EXTENSION: Final = "x-kubernetes-"
_KNOWN: Final = frozenset(
    {
        *_KEPT,
        "properties",
        "additionalProperties",
        "items",
        "title",
        "$defs",
        "propertyNames",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    }
)

_SOURCE: Final = re.compile(r" \([a-z-]+\.md[^)]*\)")
"""What a docstring says about its source is for readers of the code."""


def structural_schema(model: type[BaseModel]) -> JsonObject:
    """Return the schema of the model, without references.

    Defaults are kept where they say something: not for ``null``, zero and what is empty, which read the same
    when absent.

    Errors:
        RuntimeError: the model says something that a structural schema can't.
    """
    document = model.model_json_schema(by_alias=True, mode="validation")
    return _structural(document, definitions=document.get("$defs", {}))


def _structural(schema: Mapping[str, Any], *, definitions: Mapping[str, Any]) -> JsonObject:
    schema = _resolved(schema, definitions=definitions)
    unknown = schema.keys() - _KNOWN
    if unknown:
        raise RuntimeError(f"no structural form for {', '.join(sorted(unknown))}")
    result: JsonObject = {keyword: schema[keyword] for keyword in _KEPT if keyword in schema}
    if "description" in result:
        result["description"] = _description(result["description"])
    if _says_nothing(result.get("default")):
        result.pop("default", None)
    if "properties" in schema:
        result["properties"] = {
            name: _structural(member, definitions=definitions)
            for name, member in schema["properties"].items()
        }
    if schema.get("additionalProperties"):
        result["additionalProperties"] = _structural(schema["additionalProperties"], definitions=definitions)
    if "items" in schema:
        result["items"] = _structural(schema["items"], definitions=definitions)
    result.update({keyword: value for keyword, value in schema.items() if keyword.startswith(_EXTENSION)})
    return result


def _resolved(schema: Mapping[str, Any], *, definitions: Mapping[str, Any]) -> JsonObject:
    """Return the schema with its reference and its ``null`` alternative merged in; what is nearer wins."""
    near = dict(schema)
    if "$ref" in near:
        name = near.pop("$ref").removeprefix("#/$defs/")
        return {**_resolved(definitions[name], definitions=definitions), **near}
    if "anyOf" in near:
        others = [alternative for alternative in near["anyOf"] if alternative != {"type": "null"}]
        if len(others) == 1:
            del near["anyOf"]
            return {**_resolved(others[0], definitions=definitions), **near, "nullable": True}
    if "patternProperties" in near:  # a map with restricted keys; the restriction must be a rule
        [near["additionalProperties"]] = near.pop("patternProperties").values()
    return near


def _says_nothing(default: object) -> bool:
    """Tell whether a field reads the same with this default and without one."""
    if isinstance(default, dict):
        return all(_says_nothing(member) for member in default.values())
    return default in (None, "", []) or (default == 0 and default is not False)


def _description(text: str) -> str:
    return _SOURCE.sub("", " ".join(text.split())).replace("``", "`")
