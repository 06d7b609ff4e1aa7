"""The project that a command is about: the folder whose `workflows` it imports, and the workflows in it."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from gatework.cli.output import clean
from gatework.cli.session import UsageError
from gatework.define.workflow import Workflow
from gatework.errors import ConfigError, GateworkError

PACKAGE = "workflows"


def workflows_named(targets: Sequence[str]) -> list[Workflow[Any, Any]]:
    """The workflows that are named, as `module:name` or by a name in `workflows/`; all of those where none is.

    Raises `UsageError` for a name that is none, `ConfigError` where nothing can be imported, `PlanError` where a plan
    breaks a rule.
    """
    root = enter()
    here: list[Workflow[Any, Any]] = []
    if not targets or not all(":" in target for target in targets):
        here = _in_project(root)
    return [_named(target, here) for target in targets] or here


def modules_named(targets: Sequence[str]) -> list[ModuleType]:
    """The modules that are named; all in `workflows/` and `activities/` where none is.

    Raises `UsageError` for a name that is none, `ConfigError` where nothing can be imported.
    """
    root = enter()
    for target in targets:
        if not all(part.isidentifier() for part in target.split(".")):
            raise UsageError("Name a module as Python imports it, such as activities.files.")
    if targets:
        return [_imported(target, typed=True) for target in targets]
    if root is None:
        raise ConfigError(f"There is no folder `{PACKAGE}` here or above; go to your project, or name a MODULE.")
    packages = [_imported(name) for name in (PACKAGE, "activities") if (root / name).is_dir()]
    inside = [i.name for package in packages for i in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    return [*packages, *map(_imported, inside)]


def enter(start: Path | None = None) -> Path | None:
    """Put the project's root first on `sys.path`; None where no folder from here upwards holds `workflows`.

    `workflows` is also a name on the package index, so an installed one must not be taken for the project's.
    Raises `ConfigError`.
    """
    here = (start or Path.cwd()).resolve()
    root = root_of(here)
    sys.path.insert(0, str(root or here))
    loaded = sys.modules.get(PACKAGE)
    if root is not None and loaded is not None:
        _of_this_project(loaded, root)
    return root


def root_of(here: Path) -> Path | None:
    """The nearest folder from here upwards that holds `workflows`."""
    return next((folder for folder in (here, *here.parents) if (folder / PACKAGE).is_dir()), None)


def _in_project(root: Path | None) -> list[Workflow[Any, Any]]:
    if root is None:
        raise ConfigError(f"There is no folder `{PACKAGE}` here or above; go to your project, or type MODULE:WORKFLOW.")
    package = _imported(PACKAGE)
    modules = [_imported(info.name) for info in pkgutil.walk_packages(package.__path__, f"{PACKAGE}.")]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Workflow)]
    if not found:
        raise ConfigError(f"There is no workflow in {root / PACKAGE}; write one, or type MODULE:WORKFLOW.")
    return sorted({workflow.name: workflow for workflow in found}.values(), key=lambda workflow: workflow.name)


def _named(target: str, here: Sequence[Workflow[Any, Any]]) -> Workflow[Any, Any]:
    module, colon, name = target.partition(":")
    if not colon and target.isidentifier():
        for workflow in here:
            if workflow.name == target:
                return workflow
        names = ", ".join(workflow.name for workflow in here)
        raise UsageError(f"There is no workflow {target} in `{PACKAGE}/`; it has {names}.")
    parts = module.split(".")
    if not (colon and name.isidentifier() and all(part.isidentifier() for part in parts)):
        raise UsageError(
            "Name a workflow as it is called in `workflows/`, or as MODULE:WORKFLOW, such as workflows.refund:refund."
        )
    found = getattr(_imported(module, typed=True), name, None)
    if not isinstance(found, Workflow):
        raise UsageError(f"{module} has no workflow named {name}.")
    return found


def _imported(name: str, *, typed: bool = False) -> ModuleType:
    """A module of the project. Raises `ConfigError`, or `UsageError` where it is not there and a person typed it."""
    try:
        module = importlib.import_module(name)
    except GateworkError:
        raise
    except ModuleNotFoundError as error:
        if error.name and name.startswith(error.name):
            kind = UsageError if typed else ConfigError
            raise kind(f"There is no module {name} in {sys.path[0]}.") from None
        raise ConfigError(f"{name} cannot be imported: there is no module {error.name}{_place(error)}.") from error
    except Exception as error:  # any code of the project runs here
        said = clean(" ".join(str(error).split()), 300).rstrip(".")
        raise ConfigError(
            f"{name} cannot be imported: {type(error).__name__}{f': {said}' if said else ''}{_place(error)}."
        ) from error
    if name.split(".")[0] == PACKAGE:
        _of_this_project(sys.modules[PACKAGE], Path(sys.path[0]))
    return module


def _place(error: Exception) -> str:
    """The line of the project at which an import broke."""
    if isinstance(error, SyntaxError):  # it says so itself
        return ""
    root = Path(sys.path[0])
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(root) and ".venv" not in path.parts:
            return f" ({path.relative_to(root)}:{frame.lineno})"
    return ""


def _of_this_project(package: ModuleType, root: Path) -> None:
    places = [Path(place).resolve() for place in getattr(package, "__path__", ())]
    if places != [root / PACKAGE]:
        where = ", ".join(str(place) for place in places) or "elsewhere"
        raise ConfigError(f"`{PACKAGE}` comes from {where} and not from {root}; run the command inside your project.")
