"""How a database file of ours is known.

Rules of this file: a new version of the tables needs a script in migrations/.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = 3
APPLICATION: Final = 0x7261736E  # "rasn", read by file(1) and by us
