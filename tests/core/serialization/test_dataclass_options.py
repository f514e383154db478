"""All options of `dataclass` and `field`: what was made anew elsewhere behaves as the original."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from tests.core.serialization.elsewhere import Elsewhere

FLAGS = ("init", "repr", "eq", "order", "unsafe_hash", "frozen", "slots", "kw_only")


@pytest.fixture(scope="module")
def elsewhere():
    process = Elsewhere()
    yield process
    process.close()


def classes() -> list:
    """One for each combination that `dataclass` takes."""
    found = []
    for values in itertools.product((False, True), repeat=len(FLAGS)):
        options = dict(zip(FLAGS, values))
        if options["order"] and not options["eq"]:
            continue

        class Made:
            a: int
            b: int = dataclasses.field(default=2, compare=False)
            c: list = dataclasses.field(default_factory=list, repr=False, hash=False)

            def total(self):
                return self.a + self.b

        found.append(dataclasses.dataclass(**options)(Made))
    return found


def look(kinds):
    import dataclasses
    import inspect

    def attempt(function):
        try:
            return function()
        except Exception as error:  # noqa: BLE001
            return type(error).__name__

    def change(value):
        value.a = 9
        return value.a

    def facts(kind):
        def make(a):
            value = attempt(lambda: kind(a=a))
            if isinstance(value, str) or not kind.__dataclass_params__.init:
                value = kind.__new__(kind)
                for name, given in (("a", a), ("b", 2), ("c", [])):
                    object.__setattr__(value, name, given)
            return value

        one, two = make(1), make(2)
        yield one.total(), repr(one).split(" at ")[0], one == make(1), one == two, hasattr(one, "__dict__")
        yield attempt(lambda: one < two), attempt(lambda: hash(one) == hash(make(1))), attempt(lambda: change(one))
        yield [each.name for each in dataclasses.fields(kind)], getattr(kind, "__match_args__", None), kind.__doc__
        yield str(inspect.signature(kind)), kind.__annotations__, [each.kw_only for each in dataclasses.fields(kind)]
        yield sorted(name for name in vars(kind) if name not in ("__weakref__", "__dict__"))
        yield attempt(lambda: dataclasses.replace(make(1), a=5).total()), repr(kind.__dataclass_params__)
        yield str(inspect.signature(kind.__init__)), kind.__init__.__qualname__, kind.__eq__.__qualname__

    return [list(facts(kind)) for kind in kinds]


def test_every_combination_of_options_behaves_the_same(elsewhere):
    kinds = classes()
    assert len(kinds) == 192
    here, there = look(kinds), elsewhere.call(look, kinds)
    for kind, one, other in zip(kinds, here, there):
        assert other == one, kind.__dataclass_params__


def test_a_subclass_made_elsewhere_inherits_the_fields(elsewhere):
    def extend(kinds):
        import dataclasses

        found = []
        for kind in kinds:
            params = kind.__dataclass_params__
            try:
                more = dataclasses.make_dataclass("More", [("d", int, 4)], bases=(kind,), frozen=params.frozen)
            except TypeError as error:
                found.append(str(error))
            else:
                found.append([(each.name, each.default is dataclasses.MISSING) for each in dataclasses.fields(more)])
        return found

    kinds = classes()
    assert elsewhere.call(extend, kinds) == extend(kinds)
