"""Classes that are out of the ordinary, in another process of the same Python."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import sys
import threading
import types
import typing

import pytest

from raisin_core.errors import SerializationError
from tests.core.serialization.elsewhere import Elsewhere, copied, dumps


@pytest.fixture(scope="module")
def elsewhere():
    process = Elsewhere()
    yield process
    process.close()


def test_metaclasses_that_define_equality_do_not_mix_classes_up(elsewhere):
    class Equal(type):
        def __eq__(cls, other):
            return True

        def __hash__(cls):
            return 1

    class Unhashable(type):
        __hash__ = None

    class A(metaclass=Equal):
        pass

    class B(metaclass=Equal):
        pass

    class C(metaclass=Unhashable):
        pass

    def names(*kinds):
        return [each.__name__ for each in kinds], kinds

    told, kinds = elsewhere.call(names, A, B, C)
    assert told == ["A", "B", "C"]
    assert [one is other for one, other in zip(kinds, (A, B, C))] == [True] * 3


def test_a_metaclass_that_hides_a_name(elsewhere):
    class Meta(type):
        @property
        def x(cls):
            return "meta"

    class C(metaclass=Meta):
        x = 1

    assert elsewhere.call(lambda kind: (kind.x, kind().x), C) == ("meta", 1)


def test_singletons_by_metaclass(elsewhere):
    class Single(type):
        made = {}

        def __call__(cls, *arguments):
            if cls not in Single.made:
                Single.made[cls] = super().__call__(*arguments)
            return Single.made[cls]

    class Settings(metaclass=Single):
        def __init__(self):
            self.level = 1

    one = Settings()
    assert elsewhere.call(lambda one, kind: (kind() is one, one.level), one, Settings) == (True, 1)


def test_enumerations_mixed_with_other_types(elsewhere):
    class Day(datetime.date, enum.Enum):
        FIRST = 2020, 1, 2

    class Price(decimal.Decimal, enum.Enum):
        LOW = "1.5"

    class Both(tuple, enum.Enum):
        ONE = (1, 2)

    @dataclasses.dataclass
    class Size:
        width: int
        height: int = 2

    class Paper(Size, enum.Enum):
        A4 = 21, 30
        SQUARE = 2

    def look(day, price, both, paper):
        kinds = [type(each) for each in (day, price, both, paper)]
        texts = [repr(each) for each in (day, price, both, paper)]
        return (
            day.year,
            price + 1,
            both[0],
            paper.width,
            type(paper).SQUARE.height,
            texts,
            [list(each) for each in kinds],
        )

    members = Day.FIRST, Price.LOW, Both.ONE, Paper.A4
    here, there = look(*members), elsewhere.call(look, *members)
    assert there == here
    assert there[-1][0][0] is Day.FIRST


def test_enumerations_with_bases_metaclasses_and_names_of_their_own(elsewhere):
    class Meta(enum.EnumMeta):
        def __new__(meta, name, bases, body, **options):
            made = super().__new__(meta, name, bases, body, **options)
            made.count = len(made.__members__)
            return made

        def __call__(cls, value, *more):
            return super().__call__(value % 10 if isinstance(value, int) else value, *more)

    class Base(enum.Enum, metaclass=Meta):
        def hello(self):
            return f"{self.name} of {type(self).count}"

    class Sub(Base):
        A = 1
        B = 2

    made = enum.Enum("made", "X Y", module=__name__, qualname="nowhere.made")

    def look(sub, x):
        return sub(12).hello(), x.value, [each.name for each in type(x)], sub.__base__.__name__

    assert elsewhere.call(look, Sub, made.X) == ("B of 2", 1, ["X", "Y"], "Base")


def test_dataclasses_with_methods_of_their_own(elsewhere):
    @dataclasses.dataclass(frozen=True)
    class Own:
        a: int

        def __init__(self, a):
            object.__setattr__(self, "a", a * 2)

        def __eq__(self, other):
            return True

        def __hash__(self):
            return 7

    made = dataclasses.make_dataclass(
        "made",
        [("x", int), ("y", int, dataclasses.field(default=3))],
        namespace={"total": lambda self: self.x + self.y},
        order=True,
    )

    def look(own, made):
        return own(1).a, hash(own(1)), own(1) == own(5), made(1).total(), made(1) < made(2), repr(made(1))

    assert elsewhere.call(look, Own, made) == (2, 7, True, 4, True, "made(x=1, y=3)")


def test_dataclasses_with_descriptors_and_themselves_inside(elsewhere):
    class Double:
        def __set_name__(self, owner, name):
            self.name = "_" + name

        def __get__(self, instance, owner=None):
            return 5 if instance is None else getattr(instance, self.name)

        def __set__(self, instance, value):
            setattr(instance, self.name, value * 2)

    @dataclasses.dataclass
    class Node:
        size: int = Double()
        next: typing.Optional[Node] = None  # noqa: UP045
        every: typing.ClassVar[list] = []

    Node.every.append(Node(1, Node(2)))

    def look(kind):
        return kind().size, kind(4).size, repr(kind.every), type(kind.every[0].next) is kind

    assert elsewhere.call(look, Node) == look(Node)


def test_generic_named_tuples_and_typed_dictionaries(elsewhere):
    if sys.version_info < (3, 11):
        pytest.skip("from Python 3.11 on")
    variable = typing.TypeVar("variable")
    namespace = {"typing": typing, "T": variable, "__name__": "__main__"}
    text = (
        "class N(typing.NamedTuple, typing.Generic[T]):\n a: T\nclass D(typing.TypedDict, typing.Generic[T]):\n a: T\n"
    )
    exec(text, namespace)

    def look(named, typed):
        return tuple(named(1)), named[int].__args__, typed[int].__args__, typed(a=1)

    assert elsewhere.call(look, namespace["N"], namespace["D"]) == ((1,), (int,), (int,), {"a": 1})


def test_classes_of_attrs(elsewhere):
    attrs = pytest.importorskip("attrs")

    @attrs.define
    class Plain:
        x: int
        y: list = attrs.field(factory=list)
        z: int = attrs.field(default=1, validator=attrs.validators.instance_of(int))

    @attrs.frozen
    class Frozen(Plain):
        text: str = "a"

    def look(plain, frozen):
        kind = type(plain)
        return (
            repr(plain),
            plain == kind(1),
            repr(frozen),
            hash(frozen) == hash(type(frozen)(1, ())),
            kind.__attrs_attrs__.x.name,
        )

    assert elsewhere.call(look, Plain(1), Frozen(1, ())) == look(Plain(1), Frozen(1, ()))


def model(pydantic):
    class Model(pydantic.BaseModel):
        a: int
        b: list[str] = []

    return Model  # it remembers what is around it


def test_models_of_pydantic(elsewhere):
    made = model(pytest.importorskip("pydantic", minversion="2"))

    def look(model):
        return type(model)(a="3").a, model.b, repr(model)

    assert elsewhere.call(look, made(a=1, b=["x"])) == (3, ["x"], "Model(a=1, b=['x'])")


def test_types_of_extensions_without_a_name_are_refused():
    import ctypes

    class Pair(ctypes.Structure):
        _fields_ = [("a", ctypes.c_int)]

    with pytest.raises(SerializationError, match="has no name that others could import"):
        dumps(Pair)


def test_types_that_nobody_can_import_are_refused():
    for kind in (type(sys.flags), type(threading.current_thread)):
        if kind is not types.FunctionType:
            with pytest.raises(SerializationError, match="has no name"):
                dumps(kind)
    assert copied(types.FunctionType) is types.FunctionType


def test_the_same_class_gives_the_same_bytes_each_time():
    class Thing:
        def hello(self):
            return "hello"

    first = dumps(Thing)
    assert dumps(Thing()) == dumps(Thing())
    assert Thing.__slotnames__ == []  # what pickling an instance leaves in its class
    assert dumps(Thing) == first
