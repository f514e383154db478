"""Functions in layouts that no formatter leaves alone, and in syntax that not every Python knows; see `matrix`."""

CASES: list[object] = []

ODD = r'''"""Layouts that no formatter leaves alone."""
from matrix import Case


def multiline(
    a,
    b="""
text at column 0
""",
):
    """Doc
at column 0."""
    value = f(
1, a)  # a bracket ) that ends nothing
    return value, b, "def x(): #", '"""'


def f(x, y):
    if y: return x + y
    return \
x


late = {"key": lambda x: (x,
    x * 2), "other": sorted([3, 1], key=lambda x: -x)}
if (positive := lambda x: x > 0)(1): inline = lambda x: positive(x)

CASES = [
    Case("odd layout", multiline, (1,)),
    Case("odd layout, continued", f, (1, 0)),
    Case("lambda over lines", late["key"], (2,)),
    Case("lambda in a condition", positive, (2,)),
    Case("lambda in a suite", inline, (2,)),
]
'''

NEWER = {
    (3, 10): ODD,
    (3, 11): """
from matrix import Case

def caught(errors):
    found = []
    try:
        raise ExceptionGroup("g", errors)
    except* ValueError as group:
        found.append(("values", len(group.exceptions)))
    except* TypeError:
        found.append("types")
    return found

def starred(x, *rest: *tuple[int, ...]):
    return x[*rest] if False else rest

async def comprehended(n):
    return [[each async for each in ticks(n)] for _ in range(2)]

async def ticks(n):
    for each in range(n):
        yield each

CASES = [
    Case("except*", caught, ([ValueError(1), TypeError(2)],)),
    Case("starred annotation and index", starred, (1, 2)),
    Case("comprehension with an async one", comprehended, (3,), how="await"),
]
""",
    (3, 12): """
from matrix import Case

def first[T](items: list[T]) -> T:
    return items[0]

def named[T](x: T):
    return T.__name__, x

type Pair[T] = tuple[T, T]

def alias():
    type Local = int
    return Local.__value__

def quoted(d):
    return f"{d["k"]} {"\\n".join(["a", "b"])} {f"{f"{1}"}"}"

CASES = [
    Case("quotes inside f-strings", quoted, ({"k": 1},)),
    Case("alias inside", alias),
]
CASES += [
    Case("type parameter", first, ([1],)),
    Case("type parameter used", named, ([1],)),
]

from typing import TypeVar
Old = TypeVar("Old", bound=int, covariant=True)

def every[T: (int, str), U: int, *Ts, **P](x: T, y: U, *args: P.args, **kwargs: P.kwargs) -> Old:
    return [str(each) for each in every.__type_params__], T.__constraints__, U.__bound__, Old.__covariant__, x

type Pair[T] = tuple[T, T]

def aliased(x: Pair[int]):
    return Pair.__name__, str(Pair.__value__), str(aliased.__annotations__), x

class Box[T]:
    __made = 2
    def __init__(self, item: T):
        self.item = item
    def get(self) -> T:
        return self.item, self.__made, T.__name__
    def other[S](self, x: S):
        def deep[U](u: U):
            return S.__name__, T.__name__, U.__name__, __class__.__name__, x, self.__made
        return deep

CASES += [
    Case("all kinds of type parameters", every, (1, 2)),
    Case("an alias outside", aliased, (1,)),
    Case("generic method", Box(1).get),
    Case("closure of a generic method", Box(1).other(2), (3,)),
]
""",
}
