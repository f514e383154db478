"""What the reader's own Python would make of the same text: classes that arrive have to be like those.

Each text defines `value`, and `look(value)` says what there is to see.
"""

from __future__ import annotations

from tests.core.serialization.texts_classes import Case

DATACLASSES = """
import dataclasses, inspect, itertools
FLAGS = ("init", "repr", "eq", "order", "unsafe_hash", "frozen", "slots", "kw_only")
def made(**options):
    class Made:
        a: int
        b: "int" = dataclasses.field(default=2, compare=False)
        c: list = dataclasses.field(default_factory=list, repr=False, hash=False)
        def total(self): return self.a + self.b
    return dataclasses.dataclass(**options)(Made)
value = []
for values in itertools.product((False, True), repeat=len(FLAGS)):
    options = dict(zip(FLAGS, values))
    if options["eq"] or not options["order"]:
        value.append(made(**options))

def attempt(function):
    try: return function()
    except Exception as error: return type(error).__name__
def change(value):
    value.a = 9
    return value.a
def facts(kind):
    def make(a):
        value = kind.__new__(kind)
        for name, given in (("a", a), ("b", 2), ("c", [])): object.__setattr__(value, name, given)
        return value
    one, two = make(1), make(2)
    new = {"__firstlineno__", "__static_attributes__", "__weakref__", "__dict__"}
    return [
        one.total(), repr(one).split(" at ")[0], one == make(1), one == two, hasattr(one, "__dict__"), kind.__doc__,
        attempt(lambda: one < two), attempt(lambda: hash(one) == hash(make(1))), attempt(lambda: change(one)),
        [each.name for each in dataclasses.fields(kind)], getattr(kind, "__match_args__", None), kind.__annotations__,
        str(inspect.signature(kind)), [each.kw_only for each in dataclasses.fields(kind)],
        sorted(set(vars(kind)) - new), attempt(lambda: dataclasses.replace(make(1), a=5).total()),
        kind.__init__.__qualname__, getattr(kind.__init__, "__annotations__", None),
        attempt(lambda: kind(5, 6).total()), attempt(lambda: kind(a=5).c),
    ]
def look(kinds): return [facts(each) for each in kinds]
"""

ENUMERATIONS = """
import enum
class Plain(enum.Enum):
    A = 1
    B = "b"
    C = A
class Whole(enum.IntEnum):
    A = enum.auto()
    B = 7
class Text(str, enum.Enum):
    A = "a"
    B = "b"
class Part(float, enum.Enum):
    HALF = 0.5
class Flags(enum.Flag):
    R = 1
    W = 2
    RW = 3
    X = 8
class Bits(enum.IntFlag):
    R = 1
    W = 2
    ALL = 7
class Made(int, enum.Enum):
    def __new__(cls, n):
        self = int.__new__(cls, n * 10); self._value_ = n; return self
    A = 1
class Shown(enum.Enum):
    A = 1
    def __str__(self): return "shown"
class Above(enum.Enum):
    def hello(self): return self.name
class Below(Above):
    A = 1
@enum.unique
class Unique(enum.Enum):
    A = 1
value = [Plain, Whole, Text, Part, Flags, Bits, Made, Shown, Below, Unique]

def attempt(function):
    try: return function()
    except Exception as error: return type(error).__name__, str(error)
def facts(kind):
    members = [
        (repr(each), str(each), format(each), each.name, each.value, type(each.value).__name__, isinstance(each, int))
        for each in kind.__members__.values()
    ]
    first = next(iter(kind))
    more = [attempt(lambda: repr(first | first)), attempt(lambda: repr(~first)), attempt(lambda: repr(first + first))]
    combined = [attempt(lambda: repr(kind(n))) for n in (0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 100, "a", "b", 0.5)]
    names = attempt(lambda: [each.name for each in kind]), list(kind.__members__), len(kind), repr(kind), kind.__doc__
    hidden = [name for name in dir(kind) if name not in ("__firstlineno__", "__static_attributes__")]
    own = sorted(set(vars(kind)) - {"__firstlineno__", "__static_attributes__", "__doc__"})
    more_kinds = attempt(lambda: type(kind)("More", (kind,), type(kind).__prepare__("More", (kind,))).__name__)
    return members, more, combined, names[:4], hidden, own, more_kinds
def look(kinds): return [facts(each) for each in kinds]
"""

CHECK = """
import types, sys
sys.modules["__main__"] = types.ModuleType("__main__")
space = vars(sys.modules["__main__"])
exec(compile({text!r}, "<native>", "exec", dont_inherit=True), space)
for one, other in zip(space["look"](space["value"]), space["look"](value)):
    for part, (mine, arrived) in enumerate(zip(one, other)):
        assert mine == arrived, (part, mine, arrived)
assert len(space["value"]) == len(value)
"""

CASES = [
    Case("dataclasses are as native ones", DATACLASSES, CHECK.format(text=DATACLASSES)),
    Case("enumerations are as native ones", ENUMERATIONS, CHECK.format(text=ENUMERATIONS)),
]
