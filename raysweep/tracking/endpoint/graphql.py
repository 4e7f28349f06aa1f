"""Answer GraphQL documents from plain Python objects, without a schema.

A field is a key, an attribute or a method, in snake_case, of the object behind it; a method takes
the field's arguments by name. A field that the object lacks is null, and is told to `unknown`.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    value_from_ast_untyped,
)

Unknown = Callable[[str], None]


class Refusal(Exception):
    """A request that cannot be granted, with what the client is told, and the HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def answer(
    query: str,
    variables: Mapping[str, Any],
    roots: Mapping[str, Any],
    unknown: Unknown,
) -> dict[str, Any]:
    """Return the `data` of the document's operation.

    `roots`: the object behind `query`, and the one behind `mutation`. Raises Refusal for what is no
    GraphQL, and what a resolver raises.
    """
    try:
        document = _parse(query)
    except GraphQLError as error:
        raise Refusal(f"not GraphQL: {error.message}") from error
    fragments = {
        node.name.value: node
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            name = node.name.value if node.name else node.operation.value
            walk = _Answer({**_defaults(node), **variables}, fragments, unknown)
            return walk.select(roots[node.operation.value], node.selection_set, name)
    raise Refusal("the document has no operation")


def _defaults(operation: OperationDefinitionNode) -> dict[str, Any]:
    """Return the values of variables that the client may leave out."""
    return {
        each.variable.name.value: value_from_ast_untyped(each.default_value)
        for each in operation.variable_definitions or ()
        if each.default_value is not None
    }


@functools.lru_cache(maxsize=256)
def _parse(query: str) -> DocumentNode:
    return parse(query, no_location=True)


class _Answer:
    """One walk through a document."""

    def __init__(
        self,
        variables: Mapping[str, Any],
        fragments: Mapping[str, FragmentDefinitionNode],
        unknown: Unknown,
    ) -> None:
        self._variables = dict(variables)
        self._fragments = fragments
        self._unknown = unknown

    def select(self, source: Any, selections: SelectionSetNode, path: str) -> dict[str, Any]:
        """Look up the selected fields of one object."""
        data: dict[str, Any] = {}
        for node in selections.selections:
            if isinstance(node, FieldNode):
                if self._is_included(node):
                    key = node.alias.value if node.alias else node.name.value
                    data[key] = _merged(data.get(key), self._field(source, node, path))
            elif (inner := self._fragment(source, node)) is not None:
                for key, value in self.select(source, inner, path).items():
                    data[key] = _merged(data.get(key), value)
        return data

    def _field(self, source: Any, node: FieldNode, path: str) -> Any:
        name = node.name.value
        at = f"{path}.{name}"
        if name == "__typename":
            return _type_of(source)
        arguments = {
            snake(each.name.value): snake_keys(value_from_ast_untyped(each.value, self._variables))
            for each in node.arguments or ()
        }
        return self._complete(self._look_up(source, name, arguments, at), node, at)

    def _look_up(self, source: Any, name: str, arguments: dict[str, Any], at: str) -> Any:
        key = snake(name)
        if isinstance(source, Mapping):
            if key not in source:
                self._unknown(at)
            value = source.get(key)
        elif hasattr(type(source), key) or key in getattr(source, "__dict__", {}):
            value = getattr(source, key)
        else:
            self._unknown(at)
            return None
        if not callable(value):
            return value
        known = inspect.signature(value).parameters
        for argument in arguments.keys() - known.keys():
            self._unknown(f"{at}({argument})")
        given = {k: v for k, v in arguments.items() if k in known and v is not None}
        return value(**given)

    def _complete(self, value: Any, node: FieldNode, at: str) -> Any:
        if value is None or node.selection_set is None:
            return value
        if isinstance(value, (list, tuple)):
            return [self._complete(each, node, at) for each in value]
        return self.select(value, node.selection_set, at)

    def _fragment(self, source: Any, node: Any) -> SelectionSetNode | None:
        if isinstance(node, FragmentSpreadNode):
            fragment = self._fragments[node.name.value]
            condition: str | None = fragment.type_condition.name.value
            inner = fragment.selection_set
        else:
            assert isinstance(node, InlineFragmentNode)
            condition = node.type_condition.name.value if node.type_condition else None
            inner = node.selection_set
        if not self._is_included(node):
            return None
        if isinstance(source, Mapping):  # a payload, whose type has no other
            return inner
        return inner if condition in (None, _type_of(source), *_interfaces(source)) else None

    def _is_included(self, node: Any) -> bool:
        for directive in node.directives or ():
            wanted = {"include": True, "skip": False}.get(directive.name.value)
            if wanted is not None:
                condition = value_from_ast_untyped(directive.arguments[0].value, self._variables)
                if bool(condition) is not wanted:
                    return False
        return True


def _merged(before: Any, now: Any) -> Any:
    """Merge two selections of the same field, as two fragments make them."""
    if isinstance(before, dict) and isinstance(now, dict):
        return {**before, **{key: _merged(before.get(key), value) for key, value in now.items()}}
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [_merged(b, n) for b, n in zip(before, now, strict=True)]
    return now


def _type_of(source: Any) -> str:
    if isinstance(source, Mapping):
        return str(source.get("graphql_type", "Payload"))
    return getattr(source, "graphql_type", type(source).__name__)


def _interfaces(source: Any) -> tuple[str, ...]:
    return getattr(source, "graphql_interfaces", ())


def snake(name: str) -> str:
    """Convert a GraphQL name to Python's: `artifactID` to `artifact_id`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def snake_keys(value: Any) -> Any:
    """Convert the keys of an input object, and of those inside it."""
    if isinstance(value, dict):
        return {snake(key): snake_keys(item) for key, item in value.items()}
    return [snake_keys(item) for item in value] if isinstance(value, list) else value
