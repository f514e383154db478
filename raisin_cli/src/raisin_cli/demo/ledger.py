"""What arrived: every result of both acts as raisin delivered it, with the time.

Rules of this file: it counts what it is given, also what it should never be given: a result twice, or none.
"""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple

from raisin.client_types import Handle
