"""What tasks of others see of a worker's environment."""

from __future__ import annotations

from raisin_worker.environment import kept

SHELL = {
    "PATH": "/usr/bin",
    "HOME": "/home/zoe",
    "Path": "C:/Windows",
    "LC_ALL": "C",
    "OMP_NUM_THREADS": "2",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "GITHUB_TOKEN": "secret",
    "SSH_AUTH_SOCK": "/run/agent",
    "RAISIN_HOME": "/home/zoe/raisin",
    "DATABASE_URL": "postgres://zoe:secret@db",
}


def test_what_programs_need_is_kept_and_nothing_else() -> None:
    found = kept(SHELL)
    assert set(found) == {"PATH", "HOME", "Path", "LC_ALL", "OMP_NUM_THREADS"}
    assert all(SHELL[name] == value for name, value in found.items())
