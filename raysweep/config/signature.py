"""Read the parameters of a target, through `**kwargs` that it hands to its parent class."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from raysweep.config.explain import mistake


def parameters_of(path: str, target: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the target's parameters by name; each must be one that can be passed by name.

    `**kwargs` of a class's `__init__` that go on to `super().__init__(**kwargs)` stand for the
    parameters of the parent's, but for those that the call itself sets. Raises a mistake located
    at `target` for any other `**kwargs`: a misspelt key could not be told from one that is meant.
    """
    signature = _signature(path, target)
    if not isinstance(target, type) or _rest(signature) is None:
        return _named(path, signature)
    found: dict[str, inspect.Parameter] = {}
    taken: set[str] = set()  # what a child's call sets itself
    positions = 0  # how many it sets by position
    for owner in target.__mro__[:-1]:  # the last is object
        if "__init__" not in vars(owner):
            continue
        init = vars(owner)["__init__"]
        signature = _without_self(_signature(path, init))
        rest = _rest(signature)
        call = None if rest is None else _call_of_the_parent(init, rest)
        own = _named(path, signature, but=rest if call else None)
        taken |= set(list(own)[:positions])
        found |= {name: own[name] for name in own if name not in taken and name not in found}
        if call is None:
            break
        taken |= {word.arg for word in call.keywords if word.arg}
        positions = sum(not isinstance(each, ast.Starred) for each in call.args)
    return found


def _without_self(signature: inspect.Signature) -> inspect.Signature:
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def _signature(path: str, target: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(target, eval_str=True)
    except (TypeError, ValueError):
        text = f"{path} has no signature to be read; wrap it in a function of your own"
        raise mistake(("target",), text) from None
    except Exception as error:  # raised by an annotation, which is evaluated
        text = f"{path} has an annotation that cannot be read: {type(error).__name__}: {error}"
        raise mistake(("target",), text) from error


def _rest(signature: inspect.Signature) -> str | None:
    """Return the name of the parameter `**kwargs`, if there is one."""
    kinds = ((p.name, p.kind) for p in signature.parameters.values())
    return next((name for name, kind in kinds if kind is inspect.Parameter.VAR_KEYWORD), None)


def _named(
    path: str, signature: inspect.Signature, but: str | None = None
) -> dict[str, inspect.Parameter]:
    """Check and return the parameters; `but`: the `**kwargs` that are followed."""
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD and name != but:
            text = (
                f"{path} takes **{name}, whose names cannot be checked; spell them out, or hand "
                f"them to super().__init__(**{name})"
            )
            raise mistake(("target",), text)
        if parameter.kind is parameter.POSITIONAL_ONLY or name.startswith("_"):
            text = f"{path}: its parameter {name} cannot be given by name"
            raise mistake(("target",), text)
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {
        name: parameter
        for name, parameter in signature.parameters.items()
        if parameter.kind not in variable
    }


def _call_of_the_parent(init: Callable[..., Any], rest: str) -> ast.Call | None:
    """Find `super().__init__(…, **rest)` in the source of `init`; None if it is not there."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(init)))
    except (OSError, SyntaxError, TypeError):  # no source: compiled, or typed into a prompt
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_the_parents(node.func):
            given = [each.value for each in node.keywords if each.arg is None]
            if any(isinstance(value, ast.Name) and value.id == rest for value in given):
                return node
    return None


def _is_the_parents(function: ast.expr) -> bool:
    """Whether it is `super().__init__`, or `super(Class, self).__init__`."""
    return (
        isinstance(function, ast.Attribute)
        and function.attr == "__init__"
        and isinstance(function.value, ast.Call)
        and isinstance(function.value.func, ast.Name)
        and function.value.func.id == "super"
    )
