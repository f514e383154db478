"""What readers refuse, with an error that says why: classes that this Python would make differently."""

from __future__ import annotations

import enum
import sys
import typing
import uuid

import pytest

from raisin_core.errors import SerializationError
from raisin_core.serialization.families import births, dataclass_, enums, namedtuples, typing_

BIRTH = {"__module__": "__main__", "__qualname__": "Made"}


def born() -> type:
    return births.rebuild_class(type, type, "Made", (), BIRTH, uuid.uuid4().hex)


def rebuilt_enum(members: list, canonical: list, **options: object) -> type:
    options = {"boundary": None, "new": False, **options}
    bases = (enum.Flag,) if options["boundary"] else (enum.Enum,)
    return enums.rebuild_enum(
        enum.EnumMeta, enum.EnumMeta, "Made", bases, BIRTH, members, canonical, options, uuid.uuid4().hex
    )


def test_an_enumeration_with_other_aliases_is_refused():
    members = [("A", (), 1), ("B", (), 1.0)]
    assert rebuilt_enum(members, ["A", "A"]).B.name == "A"
    with pytest.raises(SerializationError, match="members of Made would be others"):
        rebuilt_enum(members, ["A", "B"])


def test_boundaries_that_are_not_known_are_refused():
    assert rebuilt_enum([("A", (), 1)], ["A"], boundary="STRICT").A.value == 1
    with pytest.raises(SerializationError, match="ELASTIC"):
        rebuilt_enum([("A", (), 1)], ["A"], boundary="ELASTIC")


def test_a_member_that_is_not_there_is_refused():
    kind = rebuilt_enum([("A", (), 1)], ["A"])
    assert enums.rebuild_member(kind, "A") is kind.A
    with pytest.raises(SerializationError, match="no member C"):
        enums.rebuild_member(kind, "C")


def test_flags_that_mean_something_else_are_refused():
    class Bits(enum.IntFlag):
        A = 1
        B = 2

    assert enums.rebuild_flag(Bits, 3) == 3
    if sys.version_info >= (3, 11):
        with pytest.raises(SerializationError, match="in this Python"):
            enums.rebuild_flag(Bits, -2)


def options(**more: object) -> dict:
    names = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")
    return {**dict.fromkeys(names, False), "post_init": False, **more}


def test_a_dataclass_with_a_default_that_is_not_taken_here_is_refused():
    fields = [("a", list, "_FIELD", {"default": []})]
    with pytest.raises(SerializationError, match=r"class Made cannot be made in this Python.*mutable default"):
        dataclass_.rebuild_dataclass(born(), options(), fields, [], [("a", "_FIELD")])


def test_a_dataclass_whose_fields_would_be_others_is_refused():
    fields = [("a", int, "_FIELD", {})]
    with pytest.raises(SerializationError, match="fields of the dataclass Made"):
        dataclass_.rebuild_dataclass(born(), options(), fields, [], [("a", "_FIELD_INITVAR")])


def test_what_the_sender_deleted_from_a_dataclass_is_not_made_again():
    kind = born()
    fields = [("a", int, "_FIELD", {"default": 1})]
    dataclass_.rebuild_dataclass(kind, options(init=True, repr=True), fields, ["__init__"], [("a", "_FIELD")])
    assert kind(5).a == 5
    assert "__repr__" not in vars(kind)
    assert "__init__" in vars(kind)


def test_variables_and_aliases_of_newer_pythons(monkeypatch):
    monkeypatch.delattr(typing, "TypeVarTuple", raising=False)
    with pytest.raises(SerializationError, match="Ts needs a TypeVarTuple"):
        typing_.rebuild_variable("TypeVarTuple", "Ts", (), {}, "__main__", uuid.uuid4().hex, "3.13")
    monkeypatch.delattr(typing, "TypeAliasType", raising=False)
    with pytest.raises(SerializationError, match=r"Alias is a type alias of Python 3\.12"):
        typing_.rebuild_alias("Alias", int, (), "3.13")
    monkeypatch.setattr(sys, "version_info", (3, 12, 0))
    with pytest.raises(SerializationError, match="default of a TypeVar"):
        typing_.rebuild_variable("TypeVar", "T", (), {"default": int}, "__main__", uuid.uuid4().hex, "3.13")


def test_a_generic_named_tuple_before_3_11(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    with pytest.raises(SerializationError, match="generic NamedTuple"):
        namedtuples.rebuild_namedtuple("N", ("a",), (), (tuple, typing.Generic), {}, uuid.uuid4().hex)


def test_what_newer_pythons_add_to_classes_is_left_out_by_older_ones(monkeypatch):
    found = {"__firstlineno__": 3, "__static_attributes__": (), "__type_params__": (), "x": 1}
    monkeypatch.setattr(sys, "version_info", (3, 12, 0))
    assert births.current(found) == {"__type_params__": (), "x": 1}
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    assert births.current(found) == {"x": 1}


def test_a_class_made_from_impossible_bases_is_refused():
    with pytest.raises(SerializationError, match="class Made cannot be made"):
        births.rebuild_class(type, type, "Made", (int, str), BIRTH, uuid.uuid4().hex)
