"""Local modules from this version of Python to every other, and what comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.serialization.laptops import Laptop
from tests.support.pythons import interpreter

FILES = {
    "shapes.py": """
import dataclasses, enum, functools
from tools import part

class Color(enum.Enum):
    RED = part.FACTOR

@dataclasses.dataclass(frozen=True)
class Shape:
    size: "int"
    color: Color = Color.RED

    @property
    def area(self):
        return functools.reduce(lambda a, b: a * b, [self.size for _ in range(2)])

class Circle(Shape):
    def __init__(self, size):
        super().__init__(size)

def check(shape):
    return isinstance(shape, Shape), shape.color is Color.RED, shape.area, shape == Circle(shape.size)

def items(n):
    try:
        yield from (part.twice(i) for i in range(n))
    finally:
        yield "end"
""",
    "tools/__init__.py": "from .part import twice\n",
    "tools/part.py": "FACTOR = 3\ndef twice(n):\n    return 2 * n\n",
}


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13"])
@pytest.mark.parametrize(
    "other", [{}, pytest.param({"tools/part.py": "FACTOR = 4\n"}, marks=pytest.mark.slow, id="other versions")]
)
def test_there_and_back(tmp_path: Path, version: str, other: dict[str, str]) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    here = Laptop(tmp_path / "here", FILES)
    here.run("import shapes; write('s', [shapes.Circle(4), shapes.check, shapes.items, shapes.Color.RED])")
    there = Laptop(tmp_path / "there", other, python)
    said = there.run(
        "circle, check, items, red = read('s'); print(check(circle), list(items(2)), circle.color is red)\n"
        "write('back', [type(circle)(5), check])"
    )
    assert said == ["(True, True, 16, True) [0, 2, 'end'] True"]
    back = "circle, check = read('back'); import shapes; print(check is shapes.check, check(circle))"
    assert here.run(back) == ["True (True, True, 25, True)"]
