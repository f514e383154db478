"""What is near classes, as texts: enumerations, namedtuples, types, wrappers, weak references; see `texts_classes`."""

from __future__ import annotations

from tests.core.serialization.texts_classes import Case

CASES = [
    Case(
        "enumerations",
        """
import enum
class Planet(enum.Enum):
    EARTH = (1, 2)
    MARS = (3, 4)
    HOME = EARTH
    def __init__(self, mass, radius): self.mass = mass; self.radius = radius
    @property
    def density(self): return self.mass / self.radius
    @classmethod
    def _missing_(cls, value): return cls.MARS
class Number(enum.IntEnum):
    ONE = enum.auto()
    TWO = enum.auto()
class Word(str, enum.Enum):
    def __new__(cls, text, number):
        self = str.__new__(cls, text); self._value_ = text; self.number = number; return self
    A = "a", 1
    B = "b", 2
    def _generate_next_value_(name, start, count, last): return name * 2
class Doubled(enum.Enum):
    def _generate_next_value_(name, start, count, last): return name * 2
    X = enum.auto()
    F = [1, 2]
    G = float("nan")
value = [Planet.EARTH, Planet.HOME, Number.TWO, Word.B, Doubled.X, Doubled.F, Doubled.G], {Number.ONE: 1}
""",
        """
(earth, home, two, word, x, f, g), table = value
Planet, Number, Word, Doubled = type(earth), type(two), type(word), type(x)
assert earth is home is Planet.EARTH is Planet["HOME"] is Planet((1, 2)) and earth.mass == 1
assert Planet.MARS.density == 0.75
assert Planet("what") is Planet.MARS and list(Planet) == [Planet.EARTH, Planet.MARS]
assert len(Planet.__members__) == 3
assert two is Number.TWO and two == 2 and two + 1 == 3 and table[1] == 1 and isinstance(two, int)
assert Number(1).name == "ONE"
assert word is Word.B is Word("b") and word == "b" and word.number == 2 and word.upper() == "B"
assert x.value == "XX" and f.value == [1, 2] and f is Doubled.F and g is Doubled.G and g.value != g.value
assert [each.name for each in Doubled] == ["X", "F", "G"] and repr(earth) == "<Planet.EARTH: (1, 2)>"
""",
    ),
    Case(
        "flags",
        """
import enum
class Right(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()
    BOTH = READ | WRITE
class Bits(enum.IntFlag):
    A = 1
    B = 4
value = Right.BOTH, Right.READ, Right(0), Bits.A | Bits.B, Right
""",
        """
both, read, none, bits, Right = value
assert both is Right.BOTH is Right.READ | Right.WRITE and read in both and not none and read is Right.READ
assert bits == 5 and type(bits).A in bits and bits & 4 is type(bits).B and ~read is Right.WRITE
assert read ^ both is Right.WRITE
assert Right.__members__.keys() == {"READ", "WRITE", "BOTH"}
""",
    ),
    Case(
        "text enumerations of 3.11",
        """
import enum
class S(enum.StrEnum):
    A = enum.auto()
    B = "bee"
value = S.A
""",
        """assert value == "a" and str(type(value).B) == "bee" and f"{value}" == "a" """,
        since=11,
        refused={10: "StrEnum"},
    ),
    Case(
        "flags with a boundary",
        """
import enum
class F(enum.Flag, boundary=enum.CONFORM):
    A = 1
    B = 2
value = F
""",
        """assert value(5) is value.A""",
        since=11,
        refused={10: "boundary CONFORM"},
    ),
    Case(
        "namedtuples",
        """
import collections, typing
Point = collections.namedtuple("Point", "x y", defaults=[2])
Odd = collections.namedtuple("Odd", ["a", "class", "a"], rename=True)
class Typed(typing.NamedTuple):
    "its text"
    x: int
    y: "str" = "b"
    def both(self): return f"{self.x}{self.y}"
    @property
    def first(self): return self[0]
class Sub(Point):
    __slots__ = ()
    def total(self): return self.x + self.y
value = Point(1), Odd(1, 2, 3), Typed(5), Sub(3)
""",
        """
import typing
point, odd, typed, sub = value
assert point == (1, 2) and repr(point) == "Point(x=1, y=2)" and point._replace(x=4).x == 4
assert type(point)._make([5, 6]).y == 6
assert odd._fields == ("a", "_1", "_2") and odd._1 == 2 and odd._asdict() == {"a": 1, "_1": 2, "_2": 3}
assert typed.both() == "5b" and typed.first == 5
assert type(typed).__annotations__ == {"x": int, "y": typing.ForwardRef("str")}
assert type(typed).__doc__ == "its text" and type(typed)._field_defaults == {"y": "b"}
assert sub.total() == 5 and sub._replace(y=9).total() == 12 and type(sub).__base__ is type(point)
assert not hasattr(sub, "__dict__")
match point:
    case (1, 2): pass
    case _: raise AssertionError
""",
    ),
    Case(
        "generic classes and type variables",
        """
import typing
T = typing.TypeVar("T", bound="Box")
N = typing.TypeVar("N", int, float)
P = typing.ParamSpec("P")
UserId = typing.NewType("UserId", int)
class Box(typing.Generic[T]):
    def __init__(self, item: T) -> None: self.item = item
    def get(self) -> typing.Optional[T]: return self.item
class IntBox(Box[int], typing.Generic[N]): pass
class Call(typing.Generic[P]): pass
value = T, N, Box, IntBox(3), Box[str], UserId, typing.List["Box"], typing.Callable[[int], T], int | None, list[T], Call
""",
        """
import typing
T, N, Box, box, alias, UserId, listed, call, union, items, Call = value
assert T.__bound__ == typing.ForwardRef("Box") and N.__constraints__ == (int, float) and T.__name__ == "T"
assert box.get() == 3 and Box.__parameters__ == (T,) and type(box).__parameters__ == (N,) and isinstance(box, Box)
assert alias == Box[str] and alias("a").get() == "a" and listed == typing.List["Box"]
assert call == typing.Callable[[int], T]
assert union == (int | None) and items == list[T] and items[int] == list[int]
assert UserId(5) == 5 and UserId.__supertype__ is int and UserId.__name__ == "UserId"
assert Box.get.__annotations__["return"] == typing.Optional[T] and Call[[int, str]].__args__
""",
    ),
    Case(
        "protocols",
        """
import typing
@typing.runtime_checkable
class Goes(typing.Protocol):
    speed: int
    def go(self) -> int: ...
class Car:
    speed = 3
    def go(self): return 1
class Stands(Goes): pass
T = typing.TypeVar("T", covariant=True)
class Gives(typing.Protocol[T]):
    def give(self) -> T: ...
value = Goes, Car(), Stands(), Gives
""",
        """
Goes, car, stands, Gives = value
assert isinstance(car, Goes) and not isinstance(object(), Goes) and isinstance(stands, Goes)
for kind in (Goes, Gives):
    try: kind()
    except TypeError: pass
    else: raise AssertionError
try: isinstance(car, Gives)
except TypeError: pass
else: raise AssertionError
class Bike:
    speed = 2
    def go(self): return 2
assert isinstance(Bike(), Goes) and not isinstance(type("Half", (), {"speed": 1})(), Goes)
""",
    ),
    Case(
        "typed dictionaries",
        """
import typing
class Film(typing.TypedDict, total=False):
    name: str
    year: "int"
class More(Film):
    stars: int
value = Film, More, Film(name="a"), typing.Annotated[int, "metres"], typing.Literal["a", 1]
""",
        """
import typing
Film, More, film, metres, literal = value
assert film == {"name": "a"} and type(film) is dict and Film(year=3) == {"year": 3}
assert Film.__optional_keys__ == {"name", "year"}
assert More.__required_keys__ == {"stars"} and More.__total__ and typing.is_typeddict(More)
assert metres == typing.Annotated[int, "metres"] and literal == typing.Literal["a", 1]
class Most(More):
    extra: int
assert Most.__required_keys__ == {"stars", "extra"}
""",
    ),
    Case(
        "classes with type parameters of 3.12",
        """
class Box[T]:
    def __init__(self, item): self.item = item
    def get(self): return self.item
value = Box(4), Box[int]
""",
        """
import typing
box, alias = value
assert box.get() == 4 and alias.__origin__ is type(box) and type(box).__parameters__[0].__name__ == "T"
""",
        since=12,
    ),
    Case(
        "type aliases of 3.12",
        """
type Json = dict[str, Json] | int
type Pair[T] = tuple[T, T]
def load(text: Json) -> Pair[int]: return text
value = Json, Pair, load
""",
        """
Json, Pair, load = value
assert Json.__name__ == "Json" and Json.__value__.__args__[0] == dict[str, Json] and repr(Pair[int]) == "Pair[int]"
assert Pair.__value__.__args__ == Pair.__type_params__ * 2 and load(3) == 3
assert load.__annotations__["text"] is Json and Json.__module__ == "__main__"
""",
        since=12,
        refused={10: "type alias of Python 3.12", 11: "type alias of Python 3.12"},
    ),
    Case(
        "generic, cached and ordered by functools",
        """
import functools, operator
@functools.singledispatch
def show(value): return "any"
@show.register
def _(value: int): return "int " + show(None)
@show.register(list)
def many(value): return [show(each) for each in value]
@functools.lru_cache(maxsize=5)
def fibonacci(n): return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)
@functools.total_ordering
class V:
    def __init__(self, n): self.n = n
    def __eq__(self, other): return self.n == other.n
    def __lt__(self, other): return self.n < other.n
    __hash__ = object.__hash__
    @functools.lru_cache
    def cached(self): return object()
value = show, fibonacci, V(1), functools.partial(pow, 2), operator.itemgetter(1), operator.methodcaller("upper")
""",
        """
show, fibonacci, v, power, second, upper = value
assert show("a") == "any" and show([1, "a"]) == ["int any", "any"] and show.dispatch(bool)(True) == "int any"
show.register(str, lambda value: "text"); assert show("a") == "text"
assert fibonacci(30) == 832040 and fibonacci.cache_parameters() == {"maxsize": 5, "typed": False}
fibonacci.cache_clear(); assert fibonacci.cache_info().currsize == 0 and fibonacci.__name__ == "fibonacci"
V = type(v)
assert v >= V(1) and v <= V(2) and not v > V(1) and v.cached() is v.cached()
assert power(3) == 8 and second("ab") == "b" and upper("a") == "A"
""",
    ),
    Case(
        "weak references",
        """
import weakref
class Thing:
    def hello(self): return "hello"
thing = Thing()
keys = weakref.WeakKeyDictionary({thing: 1})
values = weakref.WeakValueDictionary({"a": thing})
gone = weakref.ref(Thing())
refs = weakref.ref(thing), weakref.proxy(thing)
many, method = weakref.WeakSet([thing]), weakref.WeakMethod(thing.hello)
value = [thing, *refs, keys, values, many, gone, method]
""",
        """
import gc
thing, ref, proxy, keys, values, many, gone, method = value
assert ref() is thing and proxy.hello() == "hello" and keys[thing] == 1 and values["a"] is thing and thing in many
assert gone() is None and method()() == "hello"
del thing, value[:]
gc.collect()
assert ref() is None and not list(keys) and not list(values) and not list(many) and method() is None
""",
    ),
    Case(
        "mappings, views and constants",
        """
import collections, dataclasses, re, types, enum, pathlib, os.path
content = {"a": 1, "b": [2]}
ordered = collections.OrderedDict(x=1)
value = [content, types.MappingProxyType(content), content.keys(), content.values(), content.items(), ordered.keys(),
    Ellipsis, NotImplemented, type(None), type(...), slice(1, 2), re.compile("a.", re.I), types.SimpleNamespace(a=1),
    dataclasses.MISSING, enum.EnumMeta, re.error, pathlib.PurePath, os.path.normpath, os.fsencode, type(iter([])),
    types.FunctionType, [].append, content.get, str.upper, "a".upper, int.__add__, property, bytes, type]
""",
        """
import collections, dataclasses, re, types, enum, pathlib, os.path
content, proxy, keys, items_, pairs, okeys, *rest = value
content["c"] = 3
assert proxy["c"] == 3 and list(keys) == ["a", "b"] and list(items_) == [1, [2]]
assert list(pairs) == [("a", 1), ("b", [2])]
assert type(okeys) is type(collections.OrderedDict().keys()) and list(okeys) == ["x"]
dots, no, none, dotted, cut, pattern, names, missing, meta, error, path, norm, encode, iterator, function, *rest = rest
assert (dots, no, none, dotted) == (..., NotImplemented, type(None), type(...)) and cut == slice(1, 2)
assert pattern.match("AB") and names.a == 1 and missing is dataclasses.MISSING and meta is enum.EnumMeta
assert error is re.error
assert path is pathlib.PurePath and norm("a/../b") == "b" and encode("a") == b"a" and iterator is type(iter([]))
assert function is types.FunctionType
append, get, upper, bound, add, *kinds = rest
append(1); assert append.__self__ == [1] and get("a") == 1 and get.__self__ is content and upper("a") == bound() == "A"
assert add(1, 2) == 3 and kinds == [property, bytes, type]
""",
    ),
]
