"""Enumerations: members with their names, values and attributes; how they are kept is the reader's `enum`'s business.

Members are made without the code of the class (`__new__`, `__init__`), from what they have become. A member travels by
its name, so that it is the one of the reader's class, whatever its value is.

Rules of this file: nothing of what `enum` keeps in a class travels, only what its author wrote.
"""

from __future__ import annotations

import enum
import types
from typing import Any, Final

from raisin_core.errors import SerializationError
from raisin_core.serialization.families import births, tracker

_PRIVATE: Final = (
    "_member_names_ _member_map_ _member_type_ _value2member_map_ _new_member_ __new_member__ _use_args_ _value_repr_"
    " _flag_mask_ _singles_mask_ _all_bits_ _boundary_ _inverted_ _unhashable_values_ _unhashable_values_map_"
    " _hashable_values_ __new__"
)
PRIVATE: Final = frozenset(_PRIVATE.split())
OWN: Final = ("_value_", "_name_", "__objclass__", "_sort_order_")
BOUNDARIES: Final = {"STRICT": False, "KEEP": True}  # what 3.10 does, for classes of plain flags and of whole numbers


class Record:
    """A member on its way: what its base type is made from, and its value."""

    def __init__(self, base: tuple[Any, ...], value: Any) -> None:
        self.base = base
        self.value = value


def reduce(kind: type, pickler: Any) -> tuple[Any, ...] | None:
    """An enumeration that travels by value; None if the class is none."""
    if not issubclass(kind, enum.Enum):
        return None
    from raisin_core.serialization.families import classes

    meta = type(kind)
    members = kind.__members__
    makers = (classes.maker(meta), meta)
    records = [(name, _base(each, kind), each._value_) for name, each in members.items()]
    canonical = [each._name_ for each in members.values()]
    boundary = getattr(kind.__dict__.get("_boundary_"), "name", None)
    options = {"boundary": boundary, "new": _own_new(kind)}
    arguments = (*makers, kind.__name__, kind.__bases__, classes.namespace(kind), records, canonical, options)
    steps = classes.parts(kind, _attributes(kind), pickler)
    extra = {name: found for name, each in kind._member_map_.items() if (found := _extra(each))}
    if extra:
        steps += (classes.Part(rebuild_members, kind, extra),)
    new = kind.__dict__.get("__new_member__") if _own_new(kind) else None
    if new is not None:
        steps += (classes.Part(rebuild_new, kind, getattr(new, "__func__", new)),)
    return rebuild_enum, (*arguments, tracker.identity(kind)), steps, None, None, births.finish


def _own_new(kind: type) -> bool:
    """Whether its author wrote a `__new__`."""
    new = kind.__dict__.get("__new_member__")
    return isinstance(getattr(new, "__func__", new), types.FunctionType)


def _attributes(kind: Any) -> dict[str, Any]:
    """What the author of an enumeration wrote into it beside its members."""
    from raisin_core.serialization.families import classes

    first = kind.__bases__[-1]
    hidden = PRIVATE | set(kind.__members__)
    return {
        name: value
        for name, value in classes.attributes(kind).items()
        if name not in hidden and not _is_inherited(first, name, value)
    }


def _is_inherited(first: type, name: str, value: Any) -> bool:
    """Whether `enum` has copied it from the class before."""
    function = getattr(value, "__func__", value)
    if name == "__reduce_ex__" and getattr(function, "__module__", None) == "enum":
        return True
    before = next((each.__dict__[name] for each in first.__mro__ if name in each.__dict__), None)
    return function is getattr(before, "__func__", before) and name != "__doc__"


def _base(member: Any, kind: Any) -> tuple[Any, ...]:
    """What the builtin type that a member is too is made from. Raises SerializationError if nobody knows."""
    base = _builtin(kind)
    if base is object:
        return ()
    if "__getnewargs__" in base.__dict__:
        return tuple(base.__getnewargs__(member))
    if "__reduce__" in base.__dict__:
        return tuple(base.__reduce__(member)[1])
    raise SerializationError(f"members of {kind.__name__} are of type {base.__name__}, which raisin cannot take apart")


def _builtin(kind: Any) -> Any:
    """The type whose own `__new__` makes the objects that members are."""
    return next(each for each in kind.__mro__ if isinstance(each.__dict__.get("__new__"), types.BuiltinMethodType))


def _extra(member: Any) -> dict[str, Any]:
    return {name: value for name, value in getattr(member, "__dict__", {}).items() if name not in OWN}


def rebuild_enum(
    made_by: Any,
    meta: Any,
    name: str,
    bases: tuple[Any, ...],
    birth: dict[str, Any],
    records: list[tuple[str, tuple[Any, ...], Any]],
    canonical: list[str],
    options: dict[str, Any],
    identity: str,
) -> type:
    """The enumeration of this identity. Raises SerializationError if this Python makes another one of it."""

    found = tracker.known(identity)
    if found is not None:
        return found  # type: ignore[no-any-return]
    body = made_by.__prepare__(name, bases)
    for key, value in {**births.current(birth), "__new__": _new_member, "__init__": _no_init}.items():
        body[key] = value
    for member, base, value in records:
        body[member] = Record(base, value)
    with births.quiet(bases), births.telling(name):
        kind = made_by.__new__(meta, name, bases, body, **_keywords(options, bases, name))
        made_by.__init__(kind, name, bases, body)
        type.__delattr__(kind, "__init__")
        _forget_new(kind)
    if [each._name_ for each in kind.__members__.values()] != canonical and not issubclass(kind, enum.Flag):
        raise SerializationError(f"the members of {name} would be others in this Python: {list(kind.__members__)}")
    return tracker.arrive(identity, kind)  # type: ignore[no-any-return]


def _new_member(kind: Any, record: Any) -> Any:
    """A member as it was, whatever its class's own `__new__` would do."""
    record = record[0] if isinstance(record, tuple) else record
    member = _builtin(kind).__new__(kind, *record.base)
    member._value_ = record.value
    return member


def _no_init(member: object, *record: object) -> None:
    """Members have their attributes already."""


def _keywords(options: dict[str, Any], bases: tuple[Any, ...], name: str) -> dict[str, Any]:
    boundary = options["boundary"]
    if boundary is None:
        return {}
    boundaries = getattr(enum, "FlagBoundary", None)
    if boundaries is not None:
        return {"boundary": boundaries[boundary]}
    if BOUNDARIES.get(boundary) is not issubclass(bases[-1], int):
        raise SerializationError(f"{name} is a flag with boundary {boundary}, which Python 3.10 does not know")
    return {}


def _forget_new(kind: Any) -> None:
    """Let `enum` look for the `__new__` that later members (those of flags) are made by, as if there was no other."""
    rebuild_new(kind, None)


def rebuild_new(kind: Any, new: Any) -> None:
    """The `__new__` that the author of the class wrote, where this Python's `enum` keeps it."""
    if not tracker.arrived(kind) and new is not None:
        return
    body = {} if new is None else {"__new__": new}
    found, saved, with_arguments = type(kind)._find_new_(body, kind._member_type_, kind.__bases__[-1])
    if "_new_member_" in kind.__dict__:
        type.__setattr__(kind, "_new_member_", found)
        type.__setattr__(kind, "_use_args_", with_arguments)
    if saved and new is not None:
        type.__setattr__(kind, "__new_member__", found)
    elif "__new_member__" in kind.__dict__:
        type.__delattr__(kind, "__new_member__")


def rebuild_members(kind: Any, extra: dict[str, dict[str, Any]]) -> None:
    """What members have beside name and value."""
    if tracker.arrived(kind):
        for name, found in extra.items():
            kind._member_map_[name].__dict__.update(found)


def reduce_member(member: Any, pickler: Any) -> Any:
    """A member by its name; combinations of flags by their value."""
    kind = type(member)
    own = [each for each in kind.__mro__ if "__reduce_ex__" in each.__dict__ or "__reduce__" in each.__dict__]
    reduce_ex = getattr(own[0].__dict__.get("__reduce_ex__"), "__module__", None)
    if reduce_ex != "enum" and own[0].__module__ != "enum":
        return NotImplemented
    if kind._member_map_.get(member._name_) is member:
        return rebuild_member, (kind, member._name_)
    return rebuild_flag, (kind, member._value_)


def rebuild_member(kind: Any, name: str) -> Any:
    """The member of this name. Raises SerializationError if the class here has none."""
    try:
        return kind._member_map_[name]
    except KeyError:
        raise SerializationError(f"{kind.__name__} has no member {name} here") from None


def rebuild_flag(kind: Any, value: Any) -> Any:
    """The combination of flags of this value. Raises SerializationError if this Python takes it for another."""
    member = kind(value)
    if member._value_ != value:
        raise SerializationError(f"{kind.__name__}({value!r}) is {member!r} in this Python")
    return member


SUBCLASSES: Final[dict[type, Any]] = {enum.Enum: reduce_member}
