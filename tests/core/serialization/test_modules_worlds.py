"""Modules of several people who use the same names: everyone gets what his own texts say, whatever came before."""

from __future__ import annotations

import itertools
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import example, given, settings
from hypothesis import strategies as st

from raisin_core.serialization.families.modules import rebuild_module
from raisin_core.serialization.modules.members import Member

NAMES = ("a", "b", "p", "p.c")
PACKAGES = {"p"}
_number = itertools.count()

# For each module: which others it imports, and when; and per person which version of it he has.
edges = st.fixed_dictionaries({name: st.sets(st.sampled_from(NAMES), max_size=3) for name in NAMES})
people = st.lists(st.fixed_dictionaries({name: st.integers(0, 1) for name in NAMES}), min_size=2, max_size=4)
loads = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(NAMES)), min_size=2, max_size=8)

A_USES_B: dict[str, set[str]] = {"a": {"b"}, "b": set(), "p": set(), "p.c": set()}
MINE = dict.fromkeys(NAMES, 0)
HIS = {**MINE, "b": 1}


class Names:
    """One set of names, as modules are called in one example, so that examples do not meet."""

    def __init__(self) -> None:
        self.prefix = f"world{next(_number)}_"

    def full(self, name: str) -> str:
        return self.prefix + name

    def text(self, name: str, version: int, imports: set[str]) -> str:
        """Its function says its version and those of all that it imports, at the top or, of others, when called."""
        lines = [f"class Own: pass\nOWN = Own()\nVERSION = {version}", "def value(depth):", "    found = {}"]
        for each in sorted(imports - {name}):
            lines += [f"    from {self.full(each)} import value as other, VERSION as version, Own, OWN"]
            lines += ["    assert type(OWN) is Own", f"    found[{each!r}] = (version, depth and other(depth - 1))"]
        return "\n".join([*lines, "    return VERSION, found", ""])

    def family(self, root: str, versions: dict[str, int], imports: dict[str, set[str]]) -> tuple[Member, ...]:
        found: dict[str, Member] = {}
        new = [root]
        while new:
            name = new.pop(0)
            needs = sorted((imports[name] | ({"p"} if "." in name else set())) - {name})
            if name not in found:
                text = self.text(name, versions[name], imports[name])
                full = tuple(self.full(each) for each in needs)
                found[name] = Member(self.full(name), name in PACKAGES, text, full)
                new += needs
        return tuple(found.values())


def expected(name: str, versions: dict[str, int], imports: dict[str, set[str]], depth: int) -> object:
    def inner(each: str) -> object:
        return versions[each], depth and expected(each, versions, imports, depth - 1)

    return versions[name], {each: inner(each) for each in sorted(imports[name] - {name})}


@contextmanager
def modules_go() -> Iterator[None]:
    before = set(sys.modules)
    try:
        yield
    finally:
        for name in set(sys.modules) - before:
            del sys.modules[name]


@settings(max_examples=80, deadline=None)
@given(edges, people, loads, st.sampled_from([None, "a", "p", "p.c"]))
@example(A_USES_B, [MINE, HIS], [(0, "a"), (1, "a"), (0, "b")], "a")
@example(A_USES_B, [MINE, HIS], [(0, "b"), (1, "a"), (0, "a")], "a")
def test_everyone_gets_his_own(
    imports: dict[str, set[str]],
    versions: list[dict[str, int]],
    order: list[tuple[int, str]],
    taken: str | None,
) -> None:
    names = Names()
    seen: dict[tuple[Member, ...], tuple[types.ModuleType, object]] = {}
    with modules_go():
        if taken is not None:  # by a module of this process that has no source
            sys.modules[names.full(taken)] = types.ModuleType(names.full(taken))
        mine = sys.modules.get(names.full(taken or ""))
        for person, name in order:
            his = versions[person % len(versions)]
            family = names.family(name, his, imports)
            module = rebuild_module(tuple(tuple(each) for each in family))
            assert module is not mine
            says = expected(name, his, imports, 3)
            assert seen.setdefault(family, (module, says)) == (module, says)
            assert all(each.value(3) == said for each, said in seen.values()), "also those that came before"
        assert sys.modules.get(names.full(taken or "")) is mine
