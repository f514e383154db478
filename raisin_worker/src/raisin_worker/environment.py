"""What tasks of a cluster's members see of the environment that a worker was started in: what programs need to run.

A shell holds tokens, addresses and names that are nobody else's business; nothing of it goes to other people's code but
what is listed here.

Rules of this file: a list of what is kept, never of what is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NAMES: Final = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TMP", "TEMP"),
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE"),
        *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA", "LOCALAPPDATA"),
        *("VIRTUAL_ENV", "CONDA_PREFIX", "CUDA_VISIBLE_DEVICES"),
    )
)
STARTS: Final = ("LC_", "OMP_", "MKL_", "OPENBLAS_")


def kept(environment: Mapping[str, str]) -> dict[str, str]:
    """What of an environment tasks see.

    >>> kept({"PATH": "/usr/bin", "LC_ALL": "C", "AWS_SECRET_ACCESS_KEY": "..."})
    {'PATH': '/usr/bin', 'LC_ALL': 'C'}
    """
    return {
        name: value for name, value in environment.items() if name.upper() in NAMES or name.upper().startswith(STARTS)
    }
