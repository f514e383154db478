"""Classes, as texts: `text` defines `value` on the writing side, `check` looks at it on the other.

`since` is the first Python that can write it; `refused` maps readers (by minor version) to what their error must say.
"""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    name: str
    text: str
    check: str
    since: int = 10
    refused: dict[int, str] = {}


CASES = [
    Case(
        "inheritance, super and private names",
        """
class Base:
    made = []
    def __init_subclass__(cls, tag="", **options):
        super().__init_subclass__(**options)
        cls.tag = tag
        Base.made.append(cls.__name__)
    def hello(self): return "base"
class Child(Base, tag="x"):
    def __init__(self): self.__secret = 7
    def hello(self): return super().hello() + str(self.__secret)
    def again(self): return __class__.__name__
value = Child()
""",
        """
kind = type(value)
assert value.hello() == "base7" and value.again() == "Child" and kind().hello() == "base7"
assert kind.tag == "x" and kind.made == ["Child"] and kind.__mro__[1].__name__ == "Base"
class More(kind, tag="y"): pass
assert More.tag == "y" and kind.made == ["Child", "More"]
""",
    ),
    Case(
        "metaclasses",
        """
class Meta(type):
    seen = []
    def __new__(meta, name, bases, body, **options):
        assert "must" in body or bases
        meta.seen.append(name)
        return super().__new__(meta, name, bases, body)
    def __call__(cls, *args): return super().__call__(*args)
    def __setattr__(cls, name, value): raise TypeError("fixed")
    def __len__(cls): return 3
class A(metaclass=Meta):
    must = 1
class B(A): pass
value = A, B
""",
        """
A, B = value
assert type(A).seen == ["A", "B"] and len(B) == 3 and A().must == 1 and isinstance(B(), A)
try: A.x = 1
except TypeError as error: assert str(error) == "fixed"
else: raise AssertionError
""",
    ),
    Case(
        "slots",
        """
class Plain:
    __slots__ = ("a", "__b")
    def __init__(self): self.a = 1; self.__b = 2
    def b(self): return self.__b
class Open(Plain):
    __slots__ = ("c", "__dict__", "__weakref__")
class Named:
    __slots__ = {"d": "its text"}
value = Plain(), Open(), Named
value[1].c = 5; value[1].other = 6
""",
        """
import weakref
plain, opened, Named = value
assert (plain.a, plain.b(), plain.__slots__) == (1, 2, ("a", "__b")) and not hasattr(plain, "__dict__")
try: weakref.ref(plain)
except TypeError: pass
else: raise AssertionError
assert (opened.a, opened.c, opened.__dict__) == (1, 5, {"other": 6}) and weakref.ref(opened)() is opened
assert Named.__slots__ == {"d": "its text"}
named = Named(); named.d = 1
try: named.e = 1
except AttributeError: pass
else: raise AssertionError
""",
    ),
    Case(
        "descriptors and properties",
        """
import functools
class Positive:
    def __set_name__(self, owner, name): self.name = "_" + name; owner.names = [*getattr(owner, "names", []), name]
    def __get__(self, instance, owner=None): return self if instance is None else getattr(instance, self.name)
    def __set__(self, instance, value):
        if value < 0: raise ValueError(self.name)
        setattr(instance, self.name, value)
class Doubling(property):
    def __get__(self, instance, owner=None): return 2 * super().__get__(instance, owner)
class C:
    x = Positive()
    calls = 0
    def __init__(self): self.x = 3
    @property
    def y(self):
        "its text"
        return self.x + 1
    @y.setter
    def y(self, value): self.x = value - 1
    @Doubling
    def z(self): return self.x
    @functools.cached_property
    def once(self): type(self).calls += 1; return self.x * 10
    @classmethod
    def make(cls): return cls()
    @staticmethod
    def add(a, b): return a + b
    twice = functools.partialmethod(lambda self, factor: factor * self.x, 2)
    @functools.singledispatchmethod
    def show(self, value): return "any"
    @show.register
    def _(self, value: int): return "int"
value = C()
""",
        """
C = type(value)
assert (value.x, value.y, value.z, C.make().x, C.add(1, 2), value.twice()) == (3, 4, 6, 3, 3, 6)
value.y = 9
assert value.x == 8 and C.y.__doc__ == "its text" and C.names == ["x"]
assert (value.once, value.once, C.calls) == (80, 80, 1)
assert (value.show("a"), value.show(1)) == ("any", "int")
try: value.x = -1
except ValueError as error: assert str(error) == "_x"
else: raise AssertionError
""",
    ),
    Case(
        "builtins and exceptions as bases",
        """
class Money(int):
    def __new__(cls, n, unit="EUR"):
        self = super().__new__(cls, n); self.unit = unit; return self
    def __getnewargs__(self): return int(self), self.unit
class Default(dict):
    def __missing__(self, key): return key * 2
class Problem(ValueError):
    def __init__(self, text, code=0): super().__init__(text, code); self.code = code
    def __str__(self): return f"{self.args[0]} ({self.code})"
value = Money(3, "USD"), Default(a=1), Problem("bad", 4)
""",
        """
money, default, problem = value
assert (money, money.unit, default["a"], default["b"], str(problem)) == (3, "USD", 1, "bb", "bad (4)")
assert isinstance(problem, ValueError) and problem.code == 4
""",
    ),
    Case(
        "abstract classes and those registered with them",
        """
import abc
class Shape(abc.ABC):
    @property
    @abc.abstractmethod
    def area(self): ...
    @classmethod
    @abc.abstractmethod
    def unit(cls): ...
class Square(Shape):
    area = 4
    @classmethod
    def unit(cls): return cls()
@Shape.register
class Blob: pass
value = Shape, Square(), Blob()
""",
        """
Shape, square, blob = value
assert isinstance(square, Shape) and isinstance(blob, Shape) and square.unit().area == 4
assert not isinstance(1, Shape)
try: Shape()
except TypeError: pass
else: raise AssertionError
assert Shape.__abstractmethods__ == {"area", "unit"} and Shape.area.__isabstractmethod__
""",
    ),
    Case(
        "pickling by a class's own methods",
        """
class Point:
    known = {}
    def __new__(cls, x): self = super().__new__(cls); self.x = x; return self
    def __getnewargs_ex__(self): return (), {"x": self.x}
    def __getstate__(self): return {"y": 5}
    def __setstate__(self, state): self.y = state["y"] + 1
    def __hash__(self): return hash(self.x)
    def __eq__(self, other): return self.x == other.x
Point.known[Point(2)] = "two"
class Other:
    def __init__(self, n): self.n = n
    def __reduce__(self): return Other, (self.n * 2,)
value = Point(1), Other(4)
""",
        """
point, other = value
assert (point.x, point.y, other.n) == (1, 6, 8)
assert type(point).known[type(point)(2)] == "two" and [each.y for each in type(point).known] == [6]
""",
    ),
    Case(
        "classes that refer to themselves and to each other",
        """
class Node:
    kinds = {}
    def other(self): return Leaf
    class Inner:
        def outer(self): return Node
class Leaf(Node):
    def other(self): return Node
Node.me = Node; Node.kinds["leaf"] = Leaf; Node.first = Leaf()
value = Leaf()
""",
        """
Leaf = type(value); Node = Leaf.__base__
assert Node.me is Node and Node.kinds["leaf"] is Leaf and value.other() is Node and Node().other() is Leaf
assert isinstance(Node.first, Leaf) and Node.Inner().outer() is Node
assert Node.Inner.__qualname__.endswith("Node.Inner")
""",
    ),
    Case(
        "dataclasses",
        """
from dataclasses import KW_ONLY, InitVar, dataclass, field
from typing import ClassVar
@dataclass
class Base:
    a: int
    b: list = field(default_factory=list, metadata={"unit": "m"})
    count: ClassVar[int] = 3
    text: "InitVar[str]" = "t"
    def __post_init__(self, text): self.made = text
@dataclass(order=True)
class Child(Base):
    _: KW_ONLY
    c: float = 1.5
    hidden: int = field(default=0, repr=False, compare=False)
    def __repr__(self): return f"<{self.c}>"
value = Child(1, [2], "u", c=2.5)
""",
        """
import dataclasses
Child = type(value)
assert (value.a, value.b, value.c, value.made, repr(value), Child.count) == (1, [2], 2.5, "u", "<2.5>", 3)
assert Child(1, [2], c=2.5, hidden=9) == Child(1, [2], c=2.5) < Child(2) and Child.__hash__ is None
assert [each.name for each in dataclasses.fields(Child)] == ["a", "b", "c", "hidden"]
assert dataclasses.fields(Child)[1].metadata["unit"] == "m"
assert dataclasses.fields(Child)[0].default is dataclasses.MISSING
assert dataclasses.replace(value, a=5, text="v").made == "v" and dataclasses.asdict(value)["hidden"] == 0
assert Child.__init__.__annotations__["text"] == "InitVar[str]", Child.__init__.__annotations__
try: Child(1, [], "t", 2.0)
except TypeError: pass
else: raise AssertionError
@dataclasses.dataclass
class More(Child):
    d: int = 0
assert More(1, d=2) == More(1, d=2) and "_" not in Child.__dataclass_fields__
match value:
    case Child(a=1, b=[2]): pass
    case _: raise AssertionError
""",
    ),
    Case(
        "frozen dataclasses with slots",
        """
from dataclasses import dataclass, field
@dataclass(frozen=True, slots=True, order=True)
class P:
    x: int
    y: "int" = 2
    def length(self): return self.x + self.y
@dataclass(frozen=True, unsafe_hash=True, repr=False)
class Q(P):
    z: tuple = ()
    where: dict = field(default_factory=dict, hash=False)
value = P(1), {P(1): "one"}, Q(1, 2, (3,))
""",
        """
import dataclasses
p, table, q = value
P, Q = type(p), type(q)
assert table[P(1)] == "one" and p.length() == 3 and P(1) < P(2) and repr(p) == "P(x=1, y=2)"
assert P.__match_args__ == ("x", "y")
assert not hasattr(p, "__dict__") and hash(q) == hash(Q(1, 2, (3,), {1: 2})) and q.where == {} and q.length() == 3
for change in (lambda: setattr(p, "x", 2), lambda: delattr(q, "z"), lambda: setattr(q, "new", 1)):
    try: change()
    except dataclasses.FrozenInstanceError: pass
    else: raise AssertionError
assert P.__dataclass_params__.frozen and P.__dataclass_params__.order and not Q.__dataclass_params__.repr
""",
    ),
    Case(
        "what a class says of itself",
        '''
class Documented:
    """Its text."""
    x: int = 1
    y: "str"
    def method(self): self.z = 1
Documented.later = [1]
Documented.__doc__ += " More."
value = Documented
''',
        """
assert value.__doc__ == "Its text. More." and value.__annotations__ == {"x": int, "y": "str"} and value.later == [1]
assert value.__module__ == "__main__" and value.__qualname__ == value.__name__ == "Documented"
import sys
assert hasattr(value, "__static_attributes__") <= (sys.version_info >= (3, 13))
""",
    ),
    Case(
        "globals of methods that hold instances",
        """
from dataclasses import dataclass
@dataclass(frozen=True, slots=True)
class P:
    x: int
    def name(self): return NAMES[self]
    def __post_init__(self): assert self.x >= 0, list(NAMES)
NAMES = {P(1): "one"}
class Q:
    def __init__(self, x): self.x = TABLE.get(x, x)
    def __setstate__(self, state): self.x = state["x"] + OFFSET
    def __getstate__(self): return {"x": self.x - OFFSET}
    def __eq__(self, other): return self.x == other.x
    def __hash__(self): return hash((self.x, SALT))
    def names(self): return [table[Q(self.x)] for table in (TABLE,)]
SALT, OFFSET, TABLE = "salt", 5, {}
TABLE[Q(2)] = "two"
value = P(1), Q(2)
""",
        """
p, q = value
assert p.name() == "one"
assert q.names() == ["two"]
assert q.x == 2 and [each.x for each in type(q).__init__.__globals__["TABLE"]] == [2]
""",
    ),
    Case(
        "a dataclass of a module that is not there",
        """
import sys, types
from dataclasses import InitVar, dataclass
from typing import ClassVar
module = sys.modules["gone"] = types.ModuleType("gone")
module.ClassVar, module.InitVar = ClassVar, InitVar
@dataclass
class A:
    __module__ = "gone"
    a: "int"
    b: "ClassVar[int]" = 2
    c: "InitVar[int]" = 3
    def __post_init__(self, c): self.d = c
value = A
""",
        """
assert [value(1).a, value.b, value(1).d] == [1, 2, 3]
assert value.__annotations__ == dict(a="int", b="ClassVar[int]", c="InitVar[int]")
assert value.__init__.__annotations__["a"] == "int" and list(value.__dataclass_fields__) == ["a", "b", "c"]
assert value.__dataclass_fields__["a"].type == "int" and repr(value(1)) == "A(a=1)" and value.__module__ == "gone"
""",
    ),
]
