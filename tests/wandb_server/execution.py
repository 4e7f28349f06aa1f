"""GraphQL: parsed, validated against the schema, executed, and the answer checked.

A field of a GraphQL type is an attribute, a key or a method, in snake_case, of the object behind
it. The answer to an operation that the wandb wheel has a response model for must pass that model.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pydantic
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLResolveInfo,
    OperationDefinitionNode,
    build_schema,
    execute_sync,
    parse,
    validate,
)
from wandb.apis import _generated as api_models
from wandb.sdk.artifacts import _generated as artifact_models
from wandb.sdk.internal import _generated as internal_models

from wandb_server.artifact_mutations import ArtifactMutations
from wandb_server.errors import Refusal, Violation
from wandb_server.queries import Query
from wandb_server.run_mutations import RunMutations
from wandb_server.state import State
from wandb_server.sweeps import SweepMutations

_SCHEMA = build_schema((Path(__file__).parent / "schema.graphql").read_text("utf-8"))
_MODELS: tuple[ModuleType, ...] = (artifact_models, api_models, internal_models)


class Mutation(RunMutations, ArtifactMutations, SweepMutations):
    """The root of mutations."""


def operation_name(query: str) -> str:
    """The operation's name. Raises Violation for a document without exactly one operation."""
    operations = [
        node for node in _parse(query).definitions if isinstance(node, OperationDefinitionNode)
    ]
    if len(operations) != 1 or operations[0].name is None:
        raise Violation(f"not one named operation: {query}")
    return operations[0].name.value


def execute(state: State, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    """The answer's `data`. Raises Refusal, or Violation for what the schema does not know."""
    name = operation_name(query)
    if errors := _validate(query):
        raise Violation(f"{name}: " + "; ".join(error.message for error in errors))
    is_mutation = re.match(r"[^{]*\bmutation\b", query) is not None
    with state.lock:
        result = execute_sync(
            _SCHEMA,
            _parse(query),
            root_value=(Mutation if is_mutation else Query)(state),
            variable_values=variables,
            field_resolver=_resolve,
            type_resolver=_type_of,
        )
    for error in result.errors or ():
        _raise(name, error)
    assert result.data is not None
    check_answer(name, result.data)
    return result.data


@functools.cache
def _parse(query: str) -> DocumentNode:
    try:
        return parse(query)
    except GraphQLError as error:
        raise Violation(f"not GraphQL: {error.message}: {query}") from error


@functools.cache
def _validate(query: str) -> list[GraphQLError]:
    return validate(_SCHEMA, _parse(query))


def _raise(name: str, error: GraphQLError) -> None:
    if isinstance(error.original_error, Refusal):
        raise error.original_error
    at = ".".join(map(str, error.path or ()))
    raise Violation(f"{name} {at}: {error.original_error or error!r}") from error.original_error


def _resolve(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    name = _snake(info.field_name)
    value = source[name] if isinstance(source, dict) else getattr(source, name)
    return value(**_snake_keys(arguments)) if callable(value) else value


def _type_of(value: Any, *_: Any) -> str:
    return getattr(value, "graphql_type", type(value).__name__)


def check_answer(name: str, data: dict[str, Any]) -> None:
    """Models go by the operation's name, which another query of wandb-core may share."""
    for module in _MODELS:
        model = getattr(module, name, None)
        if model is None:
            continue
        if {field.alias or key for key, field in model.model_fields.items()} == data.keys():
            try:
                model.model_validate(data)
            except pydantic.ValidationError as error:
                raise Violation(f"the answer to {name} is not the client's: {error}") from error


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _snake_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {_snake(key): _snake_keys(item) for key, item in value.items()}
    return [_snake_keys(item) for item in value] if isinstance(value, list) else value
