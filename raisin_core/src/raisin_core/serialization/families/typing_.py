"""What `typing` makes that has no name others could import: type variables, new types, forward references, aliases.

Rules of this file: what can be imported travels by name; the same variable is one variable on the other side.
"""

from __future__ import annotations

import sys
import typing
from typing import Any, Final

from raisin_core.errors import CodeError
from raisin_core.serialization.families import classnames, tracker
from raisin_core.serialization.families.code import VERSION

VARIABLES: Final = ("TypeVar", "ParamSpec", "TypeVarTuple")
OPTIONS: Final = ("bound", "covariant", "contravariant", "infer_variance")


def reduce_variable(value: Any, pickler: Any) -> Any:
    """A TypeVar, ParamSpec or TypeVarTuple."""
    found = tracker.place(value, value.__name__)
    if found is not None:
        return classnames.rebuild_global, (found[0].__name__, found[1])
    kind = type(value).__name__
    options = {name: getattr(value, f"__{name}__", None) for name in OPTIONS}
    options = {name: given for name, given in options.items() if given}
    has_default = getattr(value, "has_default", None)
    if has_default is not None and has_default():
        options["default"] = value.__default__
    constraints = getattr(value, "__constraints__", ())
    identity = tracker.identity(value)
    return rebuild_variable, (kind, value.__name__, constraints, options, value.__module__, identity, VERSION)


def rebuild_variable(
    kind: str,
    name: str,
    constraints: tuple[Any, ...],
    options: dict[str, Any],
    module: str | None,
    identity: str,
    python: str,
) -> Any:
    """The type variable of this identity. Raises CodeError if this Python has no such variables."""
    found = tracker.known(identity)
    if found is not None:
        return found
    make = getattr(typing, kind, None)
    if make is None or ("default" in options and sys.version_info < (3, 13)):
        what = kind if make is None else f"default of a {kind}"
        raise _unknown(f"{name} needs a {what}", python)
    if sys.version_info < (3, 12):
        options.pop("infer_variance", None)  # said for type checkers only
    value = make(name, *constraints, **options)
    value.__module__ = module
    return tracker.arrive(identity, value)


def _unknown(what: str, python: str) -> CodeError:
    return CodeError(f"{what}, which Python {VERSION} does not know; it was written by Python {python}")


def reduce_part(value: Any, pickler: Any) -> Any:
    """`P.args` or `P.kwargs`, of a ParamSpec."""
    return rebuild_part, (type(value).__name__, value.__origin__)


def rebuild_part(kind: str, variable: Any) -> Any:
    """The part of this kind."""
    return (typing.ParamSpecArgs if kind == "ParamSpecArgs" else typing.ParamSpecKwargs)(variable)


def reduce_new_type(value: Any, pickler: Any) -> Any:
    """What `typing.NewType` gives."""
    if tracker.place(value) is not None:
        return NotImplemented
    supertype = value.__supertype__
    return rebuild_new_type, (value.__name__, value.__qualname__, value.__module__, supertype, tracker.identity(value))


def rebuild_new_type(name: str, qualname: str, module: str, supertype: Any, identity: str) -> Any:
    """The new type of this identity."""
    found = tracker.known(identity)
    if found is not None:
        return found
    make: Any = typing.NewType
    value = make(name, supertype)
    value.__qualname__, value.__module__ = qualname, module
    return tracker.arrive(identity, value)


def reduce_forward(value: Any, pickler: Any) -> Any:
    """A reference by text: what it was found to be does not travel, it is looked up again."""
    module = value.__forward_module__
    options = {"is_argument": value.__forward_is_argument__, "is_class": value.__forward_is_class__}
    return rebuild_forward, (value.__forward_arg__, getattr(module, "__name__", module), options)


def rebuild_forward(text: str, module: str | None, options: dict[str, Any]) -> typing.ForwardRef:
    """The reference again; it is looked up in this module, where there is one."""
    return typing.ForwardRef(text, module=module, **options)


def reduce_alias(value: Any, pickler: Any) -> Any:
    """What the statement `type` of 3.12 makes."""
    found = tracker.place(value, value.__name__)
    if found is not None:
        return classnames.rebuild_global, (found[0].__name__, found[1])
    name, module, parameters = value.__name__, value.__module__, value.__type_params__
    if parameters:
        return rebuild_alias, (name, value.__value__, parameters, VERSION)
    box = Box()
    return rebuild_lazy_alias, (name, module, box, VERSION), (box, value.__value__), None, None, _fill_alias


class Box:
    """Holds what an alias stands for, which may be made of the alias itself."""

    value: Any = None


def rebuild_alias(name: str, value: Any, parameters: tuple[Any, ...], python: str) -> Any:
    """The alias again. Raises CodeError before Python 3.12."""
    make = getattr(typing, "TypeAliasType", None)
    if make is None:
        raise _unknown(f"{name} is a type alias of Python 3.12 or later", python)
    return make(name, value, type_params=parameters)


def rebuild_lazy_alias(name: str, module: str, box: Box, python: str) -> Any:
    """An alias that looks into its box when it is asked for its value. Raises CodeError before Python 3.12."""
    if not hasattr(typing, "TypeAliasType") or not name.isidentifier():
        return rebuild_alias(name, None, (), python)
    space: dict[str, Any] = {"__name__": module, "box": box}
    exec(f"type {name} = box.value", space)
    return space[name]


def _fill_alias(alias: Any, state: tuple[Box, Any]) -> None:
    box, value = state
    box.value = value


REDUCERS: Final[dict[type, Any]] = {
    **{getattr(typing, name): reduce_variable for name in VARIABLES if hasattr(typing, name)},
    typing.ForwardRef: reduce_forward,
    typing.NewType: reduce_new_type,
    typing.ParamSpecArgs: reduce_part,
    typing.ParamSpecKwargs: reduce_part,
}
if hasattr(typing, "TypeAliasType"):
    REDUCERS[typing.TypeAliasType] = reduce_alias
