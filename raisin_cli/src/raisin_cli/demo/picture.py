"""The last screen as a picture: SVG, with nothing from the network and nothing that depends on a font's blocks.

Rules of this file: what it shows was shown on a screen.
"""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path
from typing import Final

from rich.console import Console, RenderableType

from raisin_cli.demo.report import HALF, WIDTH

FONTS: Final = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
LINE: Final = 24.4
ABOVE: Final = 18.5
"""How far the upper edge of a letter's background is above its base line, in rich's pictures of 20 units a letter."""
BLOCKS: Final = re.compile(
    rf'<text class="([^"]+)" x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)"[^>]*>{HALF}+</text>'
)


def save(content: RenderableType, path: Path) -> None:
    """Write the picture. Raises OSError."""
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True, color_system="truecolor")
    console.print(content)
    svg = console.export_svg(title="raisin demo", unique_id="raisin")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;]*;", f"font-family: {FONTS};", svg)
    svg = BLOCKS.sub(_half, svg)
    path.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")


def _half(found: re.Match[str]) -> str:
    """Half blocks as a rectangle: fonts leave gaps."""
    kind, x, y, width = found.groups()
    edges = f'x="{x}" y="{float(y) - ABOVE:.1f}" width="{width}" height="{LINE / 2:.1f}"'
    return f'<rect class="{kind}" {edges} shape-rendering="crispEdges"/>'
