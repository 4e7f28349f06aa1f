"""Import what a config's `target` names, and name what a program gives as one.

A target is an import path, `my_pkg.nets:ResNet`. From Python it may be the class or function
itself, which is turned into its import path: another process imports it from there.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from raysweep.config.explain import found, mistake, nearest
from raysweep.config.raised import note_own, where_raised

_MAIN = "__main__ is another program in each process; move it to a separate module"


def import_path(target: Any) -> Any:
    """Return `module:name` of a class or function; return anything else unchanged.

    Raises a mistake located at `target` where another process could not import it.
    """
    if isinstance(target, str) or not (inspect.isclass(target) or inspect.isroutine(target)):
        return target
    module, name = getattr(target, "__module__", None), getattr(target, "__qualname__", None)
    if module == "__main__":
        raise mistake(("target",), f"{name} is in __main__, and {_MAIN}")
    path = f"{module}:{name}"
    thing: Any = sys.modules.get(str(module))
    for part in str(name).split("."):
        thing = getattr(thing, part, None)
    if thing is not target:
        text = f"{path} cannot be imported by another process; define it at a module's top level"
        raise mistake(("target",), text)
    return path


def look_in(folder: Path) -> None:
    """Search targets' modules in `folder`, after Python's own path."""
    path = str(folder.absolute())
    if path not in sys.path:
        sys.path.append(path)


def home(path: str) -> Path:
    """Locate the top-level package of the target `path`: its folder, or its one file."""
    top = importlib.import_module(path.partition(":")[0].partition(".")[0])
    if top.__file__ is None:  # a namespace package: a folder without __init__.py
        return Path(next(iter(top.__path__)))
    file = Path(top.__file__)
    return file.parent if hasattr(top, "__path__") else file


def resolve(path: Any) -> Callable[..., Any]:
    """Import what `package.module:name` names. Raises a mistake located at `target`."""
    module_name, colon, attribute = path.partition(":") if isinstance(path, str) else ("", "", "")
    if not (colon and module_name and attribute):
        expected = "expected module:name, such as my_pkg.nets:ResNet"
        raise mistake(("target",), f"{expected}, got {found(path)}")
    if module_name == "__main__":
        raise mistake(("target",), _MAIN)
    note_own(module_name)
    thing: Any = _imported(module_name)
    for part in attribute.split("."):
        if not hasattr(thing, part):
            names = [name for name in vars(thing) if not name.startswith("_")]
            whose = f"{module_name} ({getattr(sys.modules[module_name], '__file__', 'no file')})"
            raise mistake(("target",), f"{whose} has no {part}{nearest(part, names)}")
        thing = getattr(thing, part)
    if not callable(thing):
        what = f"{path} is a {type(thing).__name__}"
        raise mistake(("target",), f"{what}; expected a function or a class")
    function: Callable[..., Any] = thing
    return function


def _imported(name: str) -> ModuleType:
    look_in(Path.cwd())
    importlib.invalidate_caches()  # a notebook may have written the module a moment ago
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            text = f"{name} cannot be imported: {where_raised(error)}"
            raise mistake(("target",), text) from None
        folder = "the working folder, beside the config file, nor on Python's path"
        raise mistake(("target",), f"no module {error.name} in {folder}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a script that is not meant for import may call sys.exit
        text = f"{name} cannot be imported: {where_raised(error)}"
        raise mistake(("target",), text) from error
