from __future__ import annotations

from tests.core.identity.people import library

__all__ = ["library"]
