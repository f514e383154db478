from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raisin_core import home
from raisin_core.errors import KeyFileError, RosterError
from raisin_core.identity import keys as key_files
from raisin_core.identity import roster
from raisin_core.identity.keys import check_key, load_or_make
from raisin_core.identity.roster import Roster, RosterFile, add, line_to_add
from raisin_core.identity.sealing import Context, NullSealer, Parcel

posix = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
KEY = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
OTHER = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"


# -- keys ------------------------------------------------------------------------------------------------------------


def test_keys_are_made_once(tmp_path: Path) -> None:
    keys, made = load_or_make(tmp_path / "keys.toml")
    again, made_again = load_or_make(tmp_path / "keys.toml")
    assert (made, made_again) == (True, False)
    assert again == keys
    assert check_key(keys.public.decode()) == keys.public
    assert keys.secret.decode() not in repr(keys)
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "keys.toml").stat().st_mode) == 0o600


def test_of_several_processes_one_makes_the_keys(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from raisin_core.identity.keys import load_or_make; input();"
        "keys, made = load_or_make(Path(sys.argv[1])); print(keys.public.decode(), made)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "keys.toml")]
    makers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write("go\n")
        maker.stdin.flush()
    told = [maker.communicate(timeout=30)[0].split() for maker in makers]
    assert len({key for key, _ in told}) == 1
    assert sorted(made for _, made in told) == ["False", "False", "False", "True"]


@posix
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_keys_that_others_can_reach_are_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keys.toml"
    load_or_make(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"chmod 600 {path}"):
        load_or_make(path)


@pytest.mark.parametrize("broken", ["", "public = 1", "\xff", f'public = "{KEY}"', 'public = "x"\nsecret = "y"'])
def test_damaged_key_file(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "keys.toml"
    path.touch(0o600)
    path.write_text(broken, encoding="latin-1")
    with pytest.raises(KeyFileError, match="holds no key pair"):
        load_or_make(path)


def test_public_key_of_another_pair(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    keys, _ = load_or_make(path)
    path.write_text(path.read_text().replace(keys.public.decode(), KEY))
    with pytest.raises(KeyFileError) as caught:
        load_or_make(path)
    assert keys.secret.decode() not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "40 characters"),
        (KEY[:-1], "has 39"),
        (KEY[:-1] + "~", "'~'"),
        (KEY[:-1] + "é", "'é'"),
        ("#" * 40, "not a key"),  # five '#' are more than 32 bits
    ],
)
def test_check_key_says_what_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        check_key(text)


def test_check_key_takes_pasted_space() -> None:
    assert check_key(f" {KEY}\n") == KEY.encode()


@given(st.text(max_size=60))
def test_check_key_raises_nothing_else(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert len(check_key(text)) == 40


# -- roster ----------------------------------------------------------------------------------------------------------


def entry(key: str = KEY, name: str = '"zoe"', roles: str = '["client"]') -> str:
    return f'[[member]]\nkey = "{key}"\nname = {name}\nroles = {roles}\n'


def test_roster(tmp_path: Path) -> None:
    path = tmp_path / "roster.toml"
    path.write_text("# ours\n" + entry() + entry(OTHER, '"bob"', '["worker", "client"]'))
    members = Roster.load(path).members
    assert {key: (member.key, member.name, member.roles) for key, member in members.items()} == {
        KEY.encode(): (KEY.encode(), "zoe", {"client"}),
        OTHER.encode(): (OTHER.encode(), "bob", {"client", "worker"}),
    }


@pytest.mark.parametrize("text", ["", "# nobody yet\n", "member = []"])
def test_empty_roster(tmp_path: Path, text: str) -> None:
    path = tmp_path / "roster.toml"
    assert not Roster.load(path).members
    path.write_text(text)
    assert not Roster.load(path).members


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[member", "TOML"),
        ("\udcff", "TOML"),
        ("members = []", "'members'"),
        ("member = 1", "two pairs"),
        ("[member]", "two pairs"),
        ("member = [1]", "member 1: is not a table"),
        (f'[[member]]\nname = "zoe"\nkey = "{KEY}"', "member 1 ('zoe'): has no 'roles'"),
        (entry() + "role = 1", "unknown field 'role'"),
        (entry("abc"), "member 1 ('zoe'): a key has 40"),
        (entry().replace(f'"{KEY}"', "1"), "'key' is not a text"),
        (entry() + entry(name='"bob"'), "member 2 ('bob'): 'zoe' has the same key"),
        (entry(name="1"), "'name' is not"),
        (entry(name='" "'), "'name' is not"),
        (entry(name=f'"{"x" * 65}"'), "65 characters"),
        (entry(name='"a\\nb"'), "cannot be printed"),
        (entry(name='"a\\u202Eb"'), "cannot be printed"),
        (entry(roles="[]"), "'roles' is not"),
        (entry(roles='"client"'), "'roles' is not"),
        (entry(roles='["owner"]'), "no role 'owner'"),
        (entry(roles="[[1]]"), "no role [1]"),
    ],
)
def test_a_wrong_roster_says_what_and_where(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "roster.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(RosterError) as caught:
        Roster.load(path)
    assert str(caught.value).startswith(str(path))
    assert problem in str(caught.value)


@given(st.binary(max_size=200))
def test_random_bytes_are_a_roster_or_an_error(data: bytes) -> None:
    with contextlib.suppress(RosterError):
        assert isinstance(Roster.parse(data), Roster)


def test_deeply_nested_and_huge() -> None:
    with pytest.raises(RosterError):
        Roster.parse(b"member = " + b"[" * 100_000)
    with pytest.raises(RosterError, match="larger"):
        Roster.parse(b"#" * (roster.MAX_SIZE + 1))


@posix
def test_a_roster_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "roster.toml"
    path.write_text(entry())
    path.chmod(0o666)
    with pytest.raises(RosterError, match="chmod o-w"):
        Roster.load(path)


def test_roster_file_follows_its_file(tmp_path: Path) -> None:
    path = tmp_path / "roster.toml"
    file = RosterFile(path)
    assert not file.members()
    add(path, KEY, "zoe", ["client"])
    assert set(file.members()) == {KEY.encode()}
    path.unlink()
    assert not file.members()
    assert file.problem is None


def test_roster_file_is_read_only_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "roster.toml"
    add(path, KEY, "zoe", ["client"])
    file = RosterFile(path)
    first = file.current()
    monkeypatch.setattr(Roster, "load", None)
    assert file.current() is first


def test_a_broken_edit_keeps_the_last_good_roster(tmp_path: Path) -> None:
    path = tmp_path / "roster.toml"
    add(path, KEY, "zoe", ["client"])
    file = RosterFile(path)
    good = file.current()
    path.write_text("broken")
    assert file.current() is good
    assert file.current() is good  # by somebody who does not ask
    assert "TOML" in str(file.problem)
    assert file.current() is good
    assert file.problem is None  # told once
    path.write_text(entry(OTHER))
    assert set(file.members()) == {OTHER.encode()}


def test_an_edit_put_right_before_anybody_asked(tmp_path: Path) -> None:
    path = tmp_path / "roster.toml"
    path.write_text("broken")
    file = RosterFile(path)
    file.current()
    path.write_text(entry())
    assert file.members()
    assert file.problem is None


def test_a_roster_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "roster.toml"
    add(path, KEY, "zoe", ["client"])
    file = RosterFile(path)
    good = file.current()
    path.unlink()
    path.mkdir()  # root can read whatever is a file
    assert file.current() is good
    assert "cannot be read" in str(file.problem)
    assert file.current() is good
    assert file.problem is None
    path.rmdir()
    assert not file.members()


@given(name=st.text(min_size=1, max_size=64).filter(lambda text: text.isprintable() and bool(text.strip())))
def test_line_to_add_is_what_a_roster_takes(name: str) -> None:
    member = Roster.parse(line_to_add(KEY.encode(), name, "client", "worker").encode()).members[KEY.encode()]
    assert (member.name, member.roles) == (name, {"client", "worker"})


def test_add_keeps_what_people_wrote(tmp_path: Path) -> None:
    path = tmp_path / "roster.toml"
    path.write_text("# mine\n" + entry().rstrip())
    assert add(path, OTHER.encode(), "bob", ["worker"])
    assert not add(path, OTHER, "bob", ["worker"])
    text = path.read_text()
    assert text.startswith("# mine\n" + entry().rstrip())
    assert [member.name for member in Roster.load(path).members.values()] == ["zoe", "bob"]


@pytest.mark.parametrize(
    ("key", "name", "roles"),
    [(KEY, "bob", ["client"]), (OTHER, "", ["client"]), (OTHER, "bob", ["king"]), (OTHER, "bob", [])],
)
def test_add_refuses_what_would_break_the_roster(tmp_path: Path, key: str, name: str, roles: list[str]) -> None:
    path = tmp_path / "roster.toml"
    path.write_text(entry())
    with pytest.raises(RosterError):
        add(path, key, name, roles)
    assert path.read_text() == entry()


def test_add_holds_a_lock_while_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, seen = tmp_path / "roster.toml", list[bool]()

    def look(where: Path, data: bytes) -> None:
        seen.append(home.Lock(tmp_path / ".roster.toml.lock").acquire(blocking=False))

    monkeypatch.setattr(home, "write_private", look)
    add(path, KEY, "zoe", ["client"])
    assert seen == [False]


def test_several_processes_add_at_once(tmp_path: Path) -> None:
    path, members = tmp_path / "roster.toml", [key_files.make().public.decode() for _ in range(4)]
    program = (
        "import sys; from pathlib import Path; from raisin_core.identity.roster import add;"
        "add(Path(sys.argv[1]), sys.argv[2], 'x', ['worker'])"
    )
    started = [subprocess.Popen([sys.executable, "-c", program, str(path), key]) for key in members]
    assert [each.wait(30) for each in started] == [0] * 4
    assert set(Roster.load(path).members) == {key.encode() for key in members}


# -- sealing ---------------------------------------------------------------------------------------------------------


def test_null_sealer() -> None:
    context = Context("arguments", b"j" * 16, 0, 3)
    sealer = NullSealer()
    assert sealer.open(sealer.seal(Parcel(b"x"), context), context).payload == b"x"
    assert context == ("arguments", b"j" * 16, 0, 3, 0, (0, 0))
    assert sealer.reveal(sealer.hide("text", b"j" * 16)) == "text"
    assert sealer.open_blob(sealer.seal_blob(b"blob")[1]) == b"blob"
