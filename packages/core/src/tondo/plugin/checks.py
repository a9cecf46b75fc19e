"""What pluggy does not check: the form of implementations, and the components that they return."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Final, cast

from tondo.diagnostics import Diagnostic
from tondo.ir import Operator
from tondo.passes.base import Pass
from tondo.passes.library import Library
from tondo.passes.rule import ScheduleRule
from tondo.plugin.info import printable
from tondo.plugin.interfaces import Codegen, Command, Frontend, Pipeline
from tondo.target.intrinsic import Instruction
from tondo.target.provider import TargetProvider

if TYPE_CHECKING:
    import pluggy

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:[.:+-][A-Za-z0-9_]+)*")
_MAX_NAME: Final = 128

COMPONENT_TYPES: Final[dict[str, type]] = {
    "register_frontends": Frontend,
    "register_ops": Operator,
    "register_passes": Pass,
    "register_pipelines": Pipeline,
    "register_targets": TargetProvider,
    "register_intrinsics": Instruction,
    "register_schedule_rules": ScheduleRule,
    "register_codegens": Codegen,
    "register_libraries": Library,
    "register_commands": Command,
}


def implementations(manager: pluggy.PluginManager, module: ModuleType) -> dict[str, Callable[..., object]]:
    """Return the functions of ``module`` that implement hooks, by attribute name."""
    found: dict[str, Callable[..., object]] = {}
    for name in dir(module):
        value: object = inspect.getattr_static(module, name, None)
        if inspect.isfunction(value) and manager.parse_hookimpl_opts(module, name) is not None:
            found[name] = value
    return found


def check_implementations(manager: pluggy.PluginManager, module: ModuleType) -> Iterator[Diagnostic]:
    """Yield what is wrong with the form of the implementations in ``module``."""
    for name, function in implementations(manager, module).items():
        options = manager.parse_hookimpl_opts(module, name)
        if options is not None and (options.get("wrapper") or options.get("hookwrapper")):
            yield _invalid(name, "is a wrapper; registration hooks return their own components only")
        for parameter in inspect.signature(function).parameters.values():
            if parameter.default is not inspect.Parameter.empty:
                yield _invalid(name, f"gives the parameter {parameter.name!r} a default, so it would never be passed")
            elif parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
                yield _invalid(
                    name,
                    f"has the {parameter.kind.description} parameter {parameter.name!r}, which would never be passed",
                )


def check_components(hook: str, returned: object) -> tuple[dict[str, object], list[Diagnostic]]:
    """Return the components in ``returned`` by name, and what is wrong with them."""
    if returned is None:
        return {}, []
    if isinstance(returned, str | bytes) or not isinstance(returned, Sequence):
        return {}, [_invalid(hook, f"returned a {type(returned).__name__}, not a list")]
    components: dict[str, object] = {}
    problems: list[Diagnostic] = []
    for item in cast("Sequence[object]", returned):
        problem = _component_problem(hook, item, components)
        if problem is not None:
            problems.append(_invalid(hook, problem))
        else:
            components[str(getattr(item, "name"))] = item  # noqa: B009  any object with a name
    return components, problems


def _component_problem(hook: str, item: object, earlier: dict[str, object]) -> str | None:
    name: object = getattr(item, "name", None)
    kind = item.__name__ if isinstance(item, type) else type(item).__name__
    if not isinstance(name, str):
        return f"returned a {kind} without a name"
    if len(name) > _MAX_NAME or _NAME.fullmatch(name) is None:
        return f"returned a {kind} with the unusable name '{printable(name)}'"
    if name in earlier:
        return f"returned two components named '{name}'"
    if hook == "register_passes":
        return _pass_problem(name, item)
    expected = COMPONENT_TYPES.get(hook)
    if expected is None or (not isinstance(item, type) and isinstance(item, expected)):
        return None
    return f"returned '{name}', a {kind}, which is not a {expected.__name__}{_missing(item, expected)}"


def _pass_problem(name: str, item: object) -> str | None:
    if not isinstance(item, type):
        return f"returned the pass '{name}' as an object, not as a class"
    for member, expected in (("requires", frozenset), ("ensures", frozenset)):
        if not isinstance(getattr(item, member, None), expected):
            return f"returned the pass '{name}' without a frozenset '{member}'"
    if not callable(getattr(item, "run", None)):
        return f"returned the pass '{name}' without a method 'run'"
    if not dataclasses.is_dataclass(item) or not getattr(getattr(item, "__dataclass_params__", None), "frozen", False):
        return f"returned the pass '{name}', whose class is not a frozen dataclass"
    for entry in dataclasses.fields(item):
        if entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING:
            return f"returned the pass '{name}', whose option '{entry.name}' has no default"
    return None


def _missing(item: object, expected: type) -> str:
    members = [name for name in vars(expected) if not name.startswith("_") and not hasattr(item, name)]
    return f" (it lacks {', '.join(repr(name) for name in members)})" if members else ""


def _invalid(hook: str, problem: str) -> Diagnostic:
    return Diagnostic("TND-P004", f"{hook} {problem}")
