"""The project that a command is about: the folder whose `workflows` it imports, and the workflows in it."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from gatework.errors import ConfigError, PlanError
from gatework.workflow import Workflow

PACKAGE = "workflows"


def workflows_named(targets: Sequence[str]) -> list[Workflow[Any, Any]]:
    """The workflows that `module:name` names; all in `workflows/` where none is named.

    Raises `ConfigError` where there is none, `PlanError` where a plan breaks a rule.
    """
    root = enter()
    if targets:
        return [_named(target) for target in targets]
    package = _imported(PACKAGE)
    if root is None or not hasattr(package, "__path__"):
        raise ConfigError(f"There is no folder `{PACKAGE}` here or above; name a workflow as MODULE:WORKFLOW.")
    modules = [_imported(info.name) for info in pkgutil.walk_packages(package.__path__, f"{PACKAGE}.")]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Workflow)]
    return sorted({workflow.name: workflow for workflow in found}.values(), key=lambda workflow: workflow.name)


def enter(start: Path | None = None) -> Path | None:
    """Put the project's root first on `sys.path`; None where no folder from here upwards holds `workflows`.

    `workflows` is also a name on the package index, so an installed one must not be taken for the project's.
    Raises `ConfigError`.
    """
    here = (start or Path.cwd()).resolve()
    root = next((folder for folder in (here, *here.parents) if (folder / PACKAGE).is_dir()), None)
    sys.path.insert(0, str(root or here))
    loaded = sys.modules.get(PACKAGE)
    if root is not None and loaded is not None:
        _of_this_project(loaded, root)
    return root


def _named(target: str) -> Workflow[Any, Any]:
    module, colon, name = target.partition(":")
    if not (module and colon and name):
        raise ConfigError("Name a workflow as MODULE:WORKFLOW, such as workflows.refund:refund.")
    found = getattr(_imported(module), name, None)
    if not isinstance(found, Workflow):
        raise ConfigError(f"{module} has no workflow named {name}.")
    return found


def _imported(name: str) -> ModuleType:
    try:
        module = importlib.import_module(name)
    except PlanError:
        raise
    except ModuleNotFoundError as error:
        if error.name and name.startswith(error.name):
            raise ConfigError(f"There is no module {name} in {sys.path[0]}.") from None
        raise ConfigError(f"{name} cannot be imported: there is no module {error.name}.") from error
    except Exception as error:
        raise ConfigError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error
    if name.split(".")[0] == PACKAGE:
        _of_this_project(sys.modules[PACKAGE], Path(sys.path[0]))
    return module


def _of_this_project(package: ModuleType, root: Path) -> None:
    places = [Path(place).resolve() for place in getattr(package, "__path__", ())]
    if places != [root / PACKAGE]:
        where = ", ".join(str(place) for place in places) or "elsewhere"
        raise ConfigError(f"`{PACKAGE}` comes from {where} and not from {root}; run the command inside your project.")
