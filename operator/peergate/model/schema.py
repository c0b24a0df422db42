"""How a model says what JSON Schema can't: rules in CEL for the generated CustomResourceDefinition.

A rule stands beside the field that it is about, so that the model stays the single source. The API server
evaluates it at every write; the operator never does.
"""

from __future__ import annotations

from pydantic.config import JsonDict

__all__ = ["RULES_KEY", "checked"]

RULES_KEY = "x-kubernetes-validations"


def checked(*rules: tuple[str, str]) -> JsonDict:
    """Return the schema extra for these rules; for ``json_schema_extra`` of a model or a field.

    Shape: pairs of a CEL expression over ``self`` and the sentence that a person reads where it is false.
    """
    return {RULES_KEY: [{"rule": rule, "message": message} for rule, message in rules]}
