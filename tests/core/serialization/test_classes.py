"""Classes by value in another process of the same Python: what they are there, and which is which."""

from __future__ import annotations

import abc
import collections.abc
import copyreg
import enum
import functools
import pickle
import sys
import threading
import types

import cloudpickle
import pytest

from raisin_core.errors import SerializationError
from tests.core.serialization.elsewhere import Elsewhere, copied, dumps


@pytest.fixture(scope="module")
def elsewhere():
    process = Elsewhere()
    yield process
    process.close()


class Importable:
    """Found in this module by its name."""

    class Inner:
        pass


class Strict:
    """Its subclasses must say something."""

    seen: list[str] = []

    def __init_subclass__(cls, *, tag: str = "", **options: object) -> None:
        if not tag:
            raise TypeError("say a tag")
        Strict.seen.append(tag)


def test_what_can_be_imported_travels_by_name():
    assert len(dumps([enum.Enum, collections.abc.Mapping, types.SimpleNamespace])) < 200
    assert copied([Importable, Importable.Inner]) == [Importable, Importable.Inner]


def test_a_class_sent_twice_is_one_class_there_and_follows_its_sender(elsewhere):
    class Counter:
        step = 1

        def next(self, n):
            return n + self.step

    def remember(value):
        import builtins

        same = getattr(builtins, "remembered", type(value)) is type(value)
        builtins.remembered = type(value)
        return same, value.next(1), isinstance(value, builtins.remembered)

    assert elsewhere.call(remember, Counter()) == (True, 2, True)
    Counter.step = 5
    assert elsewhere.call(remember, Counter()) == (True, 6, True)
    Counter.next = lambda self, n: -n
    assert elsewhere.call(remember, Counter()) == (True, -1, True)
    del Counter.step
    names = elsewhere.call(lambda kind: (setattr(kind, "own", 1), sorted(vars(kind)))[1], Counter)
    assert "step" not in names
    assert {"next", "own"} <= set(names)
    assert "own" in elsewhere.call(lambda kind: list(vars(kind)), Counter)


def test_a_class_that_comes_home_is_the_original_and_stays_as_it_is(elsewhere):
    class Thing:
        table = {"a": 1}

        def hello(self):
            return "hello"

    hello, table = Thing.hello, Thing.table

    def change(kind):
        kind.table["b"] = 2
        kind.extra = 1
        return kind, kind()

    data = dumps(Thing)
    kind, thing = elsewhere.call(change, Thing)
    assert kind is Thing
    assert type(thing) is Thing
    assert not hasattr(Thing, "extra")
    Thing.later = 1
    assert pickle.loads(data) is Thing
    assert Thing.later == 1
    assert Thing.hello is hello
    assert Thing.table is table
    assert table == {"a": 1}


def test_classes_made_elsewhere_come_here_once(elsewhere):
    def make():
        import builtins

        class Made:
            pass

        builtins.made = getattr(builtins, "made", Made)
        return builtins.made()

    assert type(elsewhere.call(make)) is type(elsewhere.call(make))


def test_cloudpickle_and_raisin_mean_the_same_class(elsewhere):
    class Both:
        pass

    def load(data, kind):
        import pickle

        return pickle.loads(data) is kind

    assert elsewhere.call(load, cloudpickle.dumps(Both), Both)
    assert cloudpickle.loads(dumps(Both)) is Both


def test_closures_cells_and_recursion(elsewhere):
    factor = 3

    def outer(n):
        class Local:
            limit = n

            def times(self, m):
                return self.limit * m * factor

            def deeper(self, depth):
                return [Local().deeper(depth - 1)] if depth else type(self) is Local

            @classmethod
            def made(cls):
                class Sub(cls):
                    def times(self, m):
                        return super().times(m) + 1

                return Sub()

        return Local

    def check(one, two):
        return (
            one().times(2),
            two().times(2),
            one().deeper(2),
            one.made().times(2),
            isinstance(one.made(), one),
            one is two,
        )

    assert elsewhere.call(check, outer(1), outer(2)) == (6, 12, [[True]], 7, True, False)


def test_functions_share_their_globals(elsewhere):
    module = types.ModuleType("__main__")
    text = (
        "count = 0\ndef up():\n global count; count += 1; return count\nclass C:\n def up(self): return up() + count\n"
    )
    exec(text, vars(module))

    def check(up, kind):
        return up(), kind().up(), up()

    assert elsewhere.call(check, module.up, module.C) == (1, 4, 3)


def test_hooks_of_what_travels_do_not_run_again(elsewhere):
    class Meta(type):
        def __init__(cls, name, bases, body, **options):
            super().__init__(name, bases, body)
            cls.runs = getattr(cls, "runs", 0) + 1

    class Base(metaclass=Meta):
        subclasses = []

        def __init_subclass__(cls, *, tag):
            cls.subclasses.append(tag)

    class Sub(Base, tag="a"):
        pass

    def check(sub):
        again = sub.runs, list(sub.subclasses)

        class More(sub, tag="b"):
            pass

        return again, More.runs, sub.subclasses

    assert elsewhere.call(check, Sub) == ((2, ["a"]), 3, ["a", "b"])


def test_hooks_of_installed_packages_run_and_may_refuse(elsewhere):
    class Sub(Strict, tag="a"):
        pass

    data = dumps(Sub)

    def load(data):
        import pickle

        try:
            pickle.loads(data)
        except SerializationError as error:
            return str(error)
        return None

    assert "the class Sub cannot be made" in elsewhere.call(load, data)
    assert "say a tag" in elsewhere.call(load, data)


def test_a_subclass_of_an_original_made_elsewhere_is_told_to_it(elsewhere):
    class Base:
        names = []

        def __init_subclass__(cls):
            Base.names.append(cls.__name__)

    def make(base):
        class Sub(base):
            pass

        return Sub

    sub = elsewhere.call(make, Base)
    assert sub.__base__ is Base
    assert Base.names == ["Sub"]


def test_threads_make_classes_at_the_same_time(elsewhere):
    class Base:
        def __init_subclass__(cls, **options):
            cls.told = True

    class Sub(Base):
        pass

    def check(datas, base):
        import pickle

        kinds, made = [], []
        barrier = threading.Barrier(8)

        def load(data):
            barrier.wait(30)
            kinds.append(pickle.loads(data))

        def make():
            barrier.wait(30)
            made.append(type("Own", (base,), {}))

        threads = [threading.Thread(target=load, args=[datas]) for _ in range(4)]
        threads += [threading.Thread(target=make) for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        later = type("Later", (base,), {})
        return len(set(kinds)), [each.__dict__.get("told") for each in (*made, kinds[0], later)]

    for _ in range(5):
        assert elsewhere.call(check, dumps(Sub), Base) == (1, [True] * 6)


def test_a_metaclass_with_its_own_reducer_is_asked():
    class Meta(type):
        pass

    class Special(metaclass=Meta):
        pass

    copyreg.pickle(Meta, lambda kind: (Importable.__call__, ()) and (getattr, (Importable, "Inner")))
    try:
        assert copied(Special) is Importable.Inner
    finally:
        del copyreg.dispatch_table[Meta]


def test_instances_inside_their_own_class(elsewhere):
    class Money:
        def __init__(self, n):
            self.n = n

        def __eq__(self, other):
            return self.n == other.n

        def __hash__(self):
            return hash(self.n)

        def __reduce__(self):
            return type(self), (self.n,)

    Money.names = {Money(1): "one"}
    Money.zero = Money(0)

    def check(kind):
        return kind.names[kind(1)], kind.zero == kind(0), type(kind.zero) is kind

    assert elsewhere.call(check, Money) == ("one", True, True)


def test_virtual_subclasses_of_installed_abstract_classes(elsewhere):
    class Listing:
        pass

    collections.abc.Sequence.register(Listing)

    def check(kind):
        import collections.abc

        return isinstance(kind(), collections.abc.Sequence), isinstance(kind(), collections.abc.Mapping)

    assert elsewhere.call(check, Listing) == (True, False)


def test_abstract_classes_keep_their_caches_to_themselves(elsewhere):
    class Shape(abc.ABC):
        @abc.abstractmethod
        def draw(self): ...

        @classmethod
        def __subclasshook__(cls, other):
            return True if "area" in vars(other) else NotImplemented

    class Square:
        area = 1

    assert issubclass(Square, Shape)
    assert not issubclass(int, Shape)

    def check(shape, square):
        return issubclass(square, shape), issubclass(int, shape)

    assert elsewhere.call(check, Shape, Square) == (True, False)


def test_members_whose_values_are_not_equal_to_themselves(elsewhere):
    class Odd(enum.Enum):
        NAN = float("nan")
        LIST = [1]
        WITH = object()

    def check(kind, members):
        return [each is kind[each.name] for each in members]

    assert elsewhere.call(check, Odd, list(Odd)) == [True] * 3
    assert elsewhere.call(check, Odd, list(Odd)) == [True] * 3
    back = elsewhere.call(lambda members: members, list(Odd))
    assert all(one is other for one, other in zip(back, Odd))


def test_enumerations_of_functions(elsewhere):
    wrap = getattr(enum, "member", lambda value: value)

    class Action(enum.Enum):
        UP = wrap(functools.partial(lambda x: (x, list(Action))))

        def __call__(self, x):
            return self.value(x)

    def check(member):
        x, members = member(3)
        return x, members == [member]

    assert elsewhere.call(check, Action.UP) == (3, True)


def test_a_class_holding_what_cannot_travel_is_refused():
    class Holder:
        view = sys._getframe()

    with pytest.raises((TypeError, pickle.PicklingError), match="frame"):
        dumps(Holder)
