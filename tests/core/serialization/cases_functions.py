"""Functions of all kinds; see `matrix`."""
# ruff: noqa: C416, E731, F821, PERF, PT, RUF, SIM

from __future__ import annotations

import concurrent.futures
import functools
import types

from matrix import Case  # type: ignore[import-not-found]

FACTOR = 3
TABLE = {"a": 1}


def plain(x, y=2, *rest, z=3, **more):
    """What it does."""
    return x, y, rest, z, sorted(more.items())


def positional(a, b=5, /, c=7, *, d):
    return a, b, c, d


def scaled(x):
    return helper(x) * FACTOR + TABLE["a"]


def helper(x):
    return x + FACTOR


def factorial(n):
    return 1 if n < 2 else n * factorial(n - 1)


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)


def counter(start):
    zeta, alpha = [start], {"step": 2}

    def count(by=1):
        nonlocal start
        start += by * alpha["step"]
        zeta.append(start)
        return start, list(zeta)

    return count


def shared():
    value = 0

    def add(n):
        nonlocal value
        value += n
        return value

    def get():
        return value

    return add, get


def both(pair):
    add, get = pair
    add(5)
    return get()


def nested(n):
    def twice(x):
        return (lambda y: y * 2)(x) + n

    class Local:
        __secret = 4

        def value(self):
            return self.__secret + n

    return twice(n), Local().value(), twice.__qualname__, Local.__qualname__


def doubled(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return 2 * function(*args, **kwargs)

    return wrapper


@doubled
@doubled
def decorated(x):
    """Decorated once."""
    return x + 1


def documented(function):
    return function.__doc__, function.__name__, function.__qualname__, function(1), function.__wrapped__(1)


class Base:
    def greet(self):
        return "base"


class Child(Base):
    __hidden = 5

    def greet(self):
        return super().greet() + " child"

    def secret(self):
        def inner():
            return self.__hidden

        return inner() + self.__more(2)

    def __more(self, n):
        return [self.__hidden * each for each in range(n)][-1]

    @property
    def size(self):
        return self.__hidden

    @classmethod
    def make(cls):
        return cls().greet()

    @staticmethod
    def still(x):
        return x + FACTOR


def child():
    made = Child()
    return made.greet(), made.secret(), made.size, Child.make(), made.still(1)


def countdown(n):
    try:
        while n:
            got = yield n
            n -= got or 1
    finally:
        TABLE.get("a")


def chained(n):
    result = yield from countdown(n)
    yield result


async def later(x):
    async def inner():
        return x * 2

    return await inner() + sum([each async for each in ticks(3)])


async def ticks(n):
    for each in range(n):
        yield each


@types.coroutine
def old_style(x):
    return x
    yield


async def awaits_old(x):
    return await old_style(x)


def comprehensions(rows):
    n = 10
    squares = {x: [y * n for y in range(x)] for x in rows}
    flat = [(x, y) for x in rows if (last := x) for y in range(x) if y % 2]
    return squares, flat, last, {x % 2 for x in rows}, sum(x * n for x in rows)


def shadowed(rows):
    x = "outer"
    made = [(lambda: (x, n))() for n in (1, 2)]
    other = [x for x in rows]
    return made, other, x, [[x for x in range(y)] for y in rows]


def classes_comprehension():
    size = 3

    class Table:
        rows = [size * each for each in range(2)]
        function = [lambda: size for _ in range(2)]

    return Table.rows, [each() for each in Table.function]


def matched(value):
    match value:
        case {"kind": "point", "at": (x, y)}:
            return "point", x, y
        case [first, *rest] if rest:
            return "many", first, rest
        case str() | bytes() as text:
            return "text", text
        case Base():
            return "base"
        case _:
            return "other"


def formatted(x):
    name = "n"
    return f"{x!r:>5}|{x:{4 + 1}.2f}|{name=}|{'a' if x else 'b'}|{{}}"


def caught(text):
    try:
        return int(text)
    except ValueError as error:
        return type(error).__name__
    else:
        return "else"
    finally:
        TABLE.setdefault("b", 2)


def managed():
    import contextlib

    with contextlib.ExitStack() as stack, contextlib.suppress(KeyError):
        stack.callback(list)
        return {}["a"]
    return "suppressed"


def constants():
    return 10**20, -0.0, 1e400, 3j, b"\x00", "\ud800", (1, (2, "x")), ..., 1 in {1, 2}, "éü", None, True


def loops(n):
    total = 0
    for i in range(n):
        if i == 2:
            continue
        if i > 7:
            break
        total += i
    else:
        total = -1
    while total > 10:
        total -= 7
    assert total is not None, "never"
    del i
    return total


def unpacked(*args, **kwargs):
    first, *middle, last = args
    return [*middle, *kwargs], {**kwargs, "x": last}, plain(*args, **kwargs), first


def futures():
    return concurrent.futures.ThreadPoolExecutor.__name__


def reads_global_in_class():
    class Here:
        factor = FACTOR
        if factor:
            other = helper(factor)

    return Here.factor, Here.other


def annotated(x: int, y: undefined_name = 2) -> list[str]:
    z: also_undefined = x
    return z, sorted(annotated.__annotations__.items())


def attributed():
    return attributed.note


attributed.note = {"a": [1]}
lambdas = [lambda x: x + 1, lambda x: x - 1, lambda x, y=2: x * y, lambda x: FACTOR]
makers = [lambda n: lambda x: x + n, (lambda: (yield 4))]
chosen = (lambda x: "yes") if FACTOR else (lambda x: "no")
with_default = lambda x, y=(lambda: 5): x + y()


def default_lambda(x, key=lambda each: -each):
    return sorted(x, key=key)


def called_each(functions, x):
    return [each(x) for each in functions]


def made_by_exec():
    namespace = {"FACTOR": 4}
    exec("def executed(x):\n    return x * FACTOR\n", namespace)
    return namespace["executed"]


def changed():
    function = types.FunctionType(helper.__code__.replace(co_consts=(*helper.__code__.co_consts, 1)), globals())
    function.__module__ = "__main__"
    return function


CASES = [
    Case("plain", plain, (1, 5, 6)),
    Case("kinds of arguments", functools.partial(positional, 1, d=2)),
    Case("globals and helpers", scaled, (2,)),
    Case("recursion", factorial, (10,)),
    Case("mutual recursion", even, (7,)),
    Case("closure", counter(5), (3,)),
    Case("shared variable", functools.partial(both, shared())),
    Case("nested", nested, (3,)),
    Case("decorated", decorated, (1,)),
    Case("attributes of decorated", functools.partial(documented, decorated)),
    Case("super, private names, descriptors", child),
    Case("method", Child().greet),
    Case("private method", functools.partial(Child._Child__more, Child(), 3)),
    Case("closure in a method", functools.partial(Child.secret, Child())),
    Case("property", functools.partial(Child.size.fget, Child())),
    Case("generator", countdown, (3,), how="list"),
    Case("yield from", chained, (3,), how="list"),
    Case("async function", later, (4,), how="await"),
    Case("async generator", ticks, (4,), how="async list"),
    Case("types.coroutine", awaits_old, (4,), how="await"),
    Case("comprehensions", comprehensions, ([1, 2, 3],)),
    Case("shadowed names", shadowed, ([1, 2],)),
    Case("comprehension in a class", classes_comprehension),
    *(Case(f"match {each!r}", matched, (each,)) for each in ({"kind": "point", "at": (1, 2)}, [1, 2], "a", 5)),
    Case("f-strings", formatted, (3.14159,)),
    Case("try", caught, ("x",)),
    Case("with", managed),
    Case("constants", constants, how="call"),
    Case("loops", loops, (20,)),
    Case("unpacking", functools.partial(unpacked, 1, 2, 3, k=4)),
    Case("submodules", futures),
    Case("globals in a class body", reads_global_in_class),
    Case("annotations as text", annotated, (1,)),
    Case("attributes", attributed),
    *(Case(f"lambda {number} of a line", each, (5,)) for number, each in enumerate(lambdas)),
    Case("lambda of a lambda", makers[0](3), (4,)),
    Case("lambda that yields", makers[1], how="list"),
    Case("lambda in a choice", chosen, (2,)),
    Case("lambda with a lambda", with_default, (2,)),
    Case("lambda of a header", default_lambda.__defaults__[0], (2,)),
    Case("default lambda", default_lambda, ([1, 2],)),
    Case("many lambdas", functools.partial(called_each, lambdas, 4)),
    Case("made by exec", made_by_exec(), (3,)),
    Case("changed bytecode", changed(), (3,), refused=True),
]
