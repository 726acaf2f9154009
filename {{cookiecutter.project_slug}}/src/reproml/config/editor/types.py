"""The JSON Schema of a type, as a file of configs/ may hold its values: pydantic's, with what OmegaConf adds."""

import inspect
from typing import Any

from pydantic import ConfigDict, PydanticUserError, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticOmit
from pydantic_core.core_schema import CoreSchema

Schema = dict[str, Any]

# In place of any value: an interpolation, or `???`, which has to be set on the command line.
_REFERENCE: Schema = {"type": "string", "pattern": r"\$\{|^\?\?\?$"}
BUILT: Schema = {"type": "object", "properties": {"_target_": {"type": "string"}}, "required": ["_target_"]}


class _Built(GenerateJsonSchema):
    """What has no form in JSON, such as a Tensor, is built by Hydra from a `_target_`."""

    def handle_invalid_for_json_schema(self, schema: CoreSchema, error_info: str) -> JsonSchemaValue:
        return BUILT


def of_type(declared: Any) -> Schema:
    """Return the schema of a declared type; nothing if it cannot be checked."""
    if declared is inspect.Parameter.empty or isinstance(declared, str):
        return {}
    try:
        try:
            adapter = TypeAdapter(declared)
        except PydanticUserError:
            adapter = TypeAdapter(declared, config=ConfigDict(arbitrary_types_allowed=True))
        schema = adapter.json_schema(schema_generator=_Built)
    except (PydanticUserError, PydanticInvalidForJsonSchema, PydanticOmit, NameError, TypeError):
        return {}
    return _value(_inlined(schema, schema.pop("$defs", {})))


def of_dataclass(kind: type) -> Schema:
    """Return the schema of a group of ours: its `properties`, and which are `required`."""
    schema = TypeAdapter(kind).json_schema()
    group: Schema = _inside(_inlined(schema, schema.pop("$defs", {})))
    return {"required": [], **group, "additionalProperties": False}


def _inlined(node: Any, definitions: Schema, seen: tuple[str, ...] = ()) -> Any:
    """Return a schema with the definitions that it refers to in their places; a type inside itself may be anything."""
    if isinstance(node, list):
        return [_inlined(item, definitions, seen) for item in node]
    if not isinstance(node, dict):
        return node
    if (name := str(node.get("$ref", "")).rpartition("/")[2]) and name in definitions:
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return {} if name in seen else {**_inlined(definitions[name], definitions, (*seen, name)), **beside}
    return {key: _inlined(value, definitions, seen) for key, value in node.items()}


def _value(schema: Schema) -> Schema:
    """Let a reference stand in place of a value, and of each value inside of it."""
    outer: Schema = {key: schema[key] for key in ("description", "default") if key in schema}
    rest = {key: value for key, value in schema.items() if key not in ("title", "description", "default")}
    members = [_inside(member) for member in rest.pop("anyOf", [rest])]
    if all(members) and {"type": "string"} not in members:
        members.append(_REFERENCE)
    return {**outer, **(members[0] if len(members) == 1 else {"anyOf": members})}


def _inside(schema: Schema) -> Schema:
    """Return the schema of a list or a mapping, whose items may be references."""
    schema = {key: value for key, value in schema.items() if key != "title"}
    if "properties" in schema and schema is not BUILT:
        schema["properties"] = {name: _value(item) for name, item in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            schema[key] = _value(schema[key])
    if "prefixItems" in schema:  # as draft 7 says it, which editors know
        schema["items"] = [_value(item) for item in schema.pop("prefixItems")]
    return schema
