"""Templates of admission configuration: YAML whose placeholders are JSON literals, and so CEL literals."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from string import Template

import yaml

from peergate.model.names import JsonObject

__all__ = ["fill", "literal", "username_pattern"]


def fill(text: str, values: Mapping[str, object], /) -> JsonObject:
    """Return the document that a template makes of these values; each ``$name`` of it must have one."""
    filled = Template(text).substitute({name: literal(value) for name, value in values.items()})
    # Through JSON, so that what the template wrote once and means four times are four values.
    document: JsonObject = json.loads(json.dumps(yaml.safe_load(filled)))
    return document


def literal(value: object) -> str:
    """Return the value as JSON in ASCII that is CEL and YAML as well: escapes without surrogates."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return re.sub(r"[^ -~]", lambda found: f"\\U{ord(found[0]):08x}", text)


def username_pattern(glob: str) -> str:
    """Return the RE2 pattern of a glob; as Go's ``regexp.QuoteMeta`` but for ``*``, which is any characters.

    ``(?s)``: a line end in a user name must not end the match.
    """
    quoted = re.sub(r"([\\.+?()|\[\]{}^$])", r"\\\1", glob)
    return f"(?s)^{quoted.replace('*', '.*')}$"
