"""The numbers of the curve behind Ed25519 and X25519 (RFC 7748, section 4.1; RFC 8032, section 5.1).

Rules of this file: numbers, nothing else.
"""

from __future__ import annotations

from typing import Final

PRIME: Final = 2**255 - 19
ORDER: Final = 2**252 + 27742317777372353535851937790883648493  # of the base point
BASE: Final = (  # x and y
    0x216936D3CD6E53FEC0A4E231FDD6DC5C692CC7609525A7B2C9562D608F25D51A,
    0x6666666666666666666666666666666666666666666666666666666666666658,
)
EIGHTH: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
LOW_ORDER: Final = frozenset({0, 1, PRIME - 1, EIGHTH, PRIME - EIGHTH})  # y of the 8 points of order 1, 2, 4 and 8
