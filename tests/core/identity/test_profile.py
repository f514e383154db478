"""What a machine keeps of its clusters."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from raisin_core.errors import InvitationError, KeyFileError, RosterError, SealError, UsageError
from raisin_core.identity.documents import encode
from raisin_core.identity.profile import Profile
from raisin_core.identity.sealing import Attestation, Context, Parcel, Warrant
from raisin_core.messages import Options
from tests.core.identity.people import BROKER, NOW, ROOT, Lab, secrets, seed

posix = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


def ann(lab: Lab, name: str = "lab") -> Profile:
    return Profile.create(name, seed("ann"), lab.standing.book, root_seed=ROOT)


def zoe(lab: Lab, name: str = "lab") -> Profile:
    return Profile.create(name, seed("zoe"), lab.standing.book)


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.name != ".lock"}


def test_a_profile_says_who_where_and_with_which_keys() -> None:
    lab = Lab()
    made = ann(lab)
    for profile in (made, Profile.load("lab")):
        assert (profile.name, profile.me.name, profile.cluster) == ("lab", "ann", lab.standing.cluster)
        assert (profile.addresses, profile.broker_key) == (BROKER.addresses, BROKER.key)
        assert (profile.standing, profile.keys) == (lab.standing, lab.keys)
        assert profile.secrets.public == secrets("ann").public
        assert profile.root is not None
        assert profile.root.seed == ROOT
        assert (profile.mine, profile.runs) == ({secrets("ann").public.ed25519}, [])
        assert seed("ann").hex() not in repr(profile)


@posix
def test_all_is_private(home: Path) -> None:
    ann(Lab())
    Profile.use("lab")
    Profile.seed_to_join(b"." * 16)
    modes = {path.relative_to(home): stat.S_IMODE(path.stat().st_mode) for path in home.rglob("*")}
    kinds = {path: "directory" if (home / path).is_dir() else "file" for path in modes}
    assert {(kinds[path], mode) for path, mode in modes.items()} == {("directory", 0o700), ("file", 0o600)}
    assert len(modes) >= 8


def test_the_active_cluster() -> None:
    assert Profile.active_name() is None
    assert Profile.names() == []
    with pytest.raises(UsageError, match="in no cluster: raisin join"):
        Profile.load()
    lab = Lab()
    ann(lab)
    ann(lab, "other")
    assert Profile.active_name() is None
    assert Profile.names() == ["lab", "other"]
    for name in Profile.names():
        Profile.use(name)
        assert Profile.load().name == Profile.active_name() == name
    Profile.use(None)
    Profile.use(None)
    assert Profile.active_name() is None
    with pytest.raises(UsageError, match="it is in: lab, other"):
        Profile.use("third")
    with pytest.raises(UsageError, match="it is in: lab, other"):
        Profile.load("third")


@pytest.mark.parametrize("name", ["", "..", "../lab", "/etc", "a/b"])
def test_names_are_no_paths(name: str, home: Path) -> None:
    ann(Lab())
    for attempt in (Profile.load, Profile.use, Profile.discard, lambda each: ann(Lab(), each)):
        with pytest.raises(UsageError):
            attempt(name)
    (home / "active").write_text(name)
    with pytest.raises(UsageError, match="delete it"):
        Profile.active_name()
    with pytest.raises(UsageError, match="delete it"):
        Profile.load()


def test_one_name_one_cluster() -> None:
    first = ann(Lab())
    before = files(first.directory)
    with pytest.raises(UsageError, match="choose another name"):
        ann(Lab("lab", ROOT))
    assert files(first.directory) == before


def test_what_is_not_this_machines_is_not_kept() -> None:
    lab = Lab()
    with pytest.raises(RosterError, match="not a member"):
        zoe(lab)
    with pytest.raises(RosterError, match="this root key is not that of"):
        Profile.create("lab", seed("ann"), lab.standing.book, root_seed=b"." * 32)
    with pytest.raises(RosterError):
        Profile.create("lab", seed("ann"), lab.standing.book[:-1])
    assert Profile.names() == []


def test_a_cluster_is_left_behind() -> None:
    ann(Lab())
    Profile.use("lab")
    Profile.discard("lab")
    assert (Profile.names(), Profile.active_name()) == ([], None)
    with pytest.raises(UsageError, match="not in a cluster"):
        Profile.discard("lab")


# -- joining ---------------------------------------------------------------------------------------------------------


def test_keys_are_there_before_anybody_is_asked_and_stay_until_all_is_done(home: Path) -> None:
    lab = Lab()
    invitation = lab.invite("zoe")
    own = Profile.seed_to_join(invitation)
    assert Profile.seed_to_join(invitation) == own != Profile.seed_to_join(b"." * 16)
    other = Profile.seed_to_join(invitation, anew=True)
    assert other != own
    assert Profile.seed_to_join(invitation) == other
    assert len(list((home / "clusters").glob(".joining-*"))) == 2


def test_a_guest_reads_by_its_invitation_until_the_root_knows_it() -> None:
    lab = Lab()
    invitation = lab.invite("zoe")
    lab.join("zoe", "zoe")
    Profile.seed_to_join(invitation)
    profile = Profile.create("lab", seed("zoe"), lab.standing.book, grant_seed=invitation)
    assert "grant.key" in files(profile.directory)
    assert not list(profile.directory.parent.glob(".joining-*.key"))
    assert Profile.load("lab").keys == lab.keys
    lab.fold()
    assert profile.adopt(lab.standing.book)
    assert "grant.key" not in files(profile.directory)
    assert profile.keys == Profile.load("lab").keys == lab.keys


def test_without_its_invitation_a_guest_has_no_key() -> None:
    lab = Lab()
    lab.invite("zoe")
    lab.join("zoe", "zoe")
    with pytest.raises(SealError, match="no key for this machine"):
        zoe(lab)


# -- newer books -----------------------------------------------------------------------------------------------------


def test_only_newer_books_are_adopted() -> None:
    lab = Lab()
    lab.welcome("zoe", "sam")
    profile, other = zoe(lab), zoe(lab, "other")
    first = lab.standing.book
    assert not profile.adopt(first)
    lab.remove("sam")
    assert profile.adopt(lab.standing.book)
    assert not profile.adopt(lab.standing.book)
    assert (profile.standing.epoch, set(profile.keys)) == (2, {1, 2})
    assert Profile.load("lab").standing == profile.standing
    with pytest.raises(RosterError, match="older than"):
        profile.adopt(first)
    assert other.standing.book == first


def test_news_of_the_same_version_add_up() -> None:
    lab = Lab()
    lab.invite("class", uses=5)
    profile = ann(lab)
    start = lab.standing
    lab.join("class", "zoe")
    assert profile.adopt(lab.standing.book)
    assert not profile.adopt(start.book)  # less of the same is nothing new, and no lie either
    one, lab.standing = lab.standing, start
    lab.join("class", "sam")
    lab.join("class", "kim")
    assert profile.adopt(lab.standing.book)
    assert len(profile.standing.members) == 4  # zoe is not forgotten
    assert profile.standing.newer_than(one)


def test_two_rosters_of_one_version() -> None:
    lab = Lab()
    profile, before = ann(lab), lab.standing
    lab.invite("zoe")
    assert profile.adopt(lab.standing.book)
    lab.standing = before
    lab.invite("eve")
    with pytest.raises(RosterError, match="signed twice"):
        profile.adopt(lab.standing.book)
    assert [each.name for each in profile.standing.grants.values()] == ["zoe"]


def test_books_that_are_not_adopted_change_nothing() -> None:
    lab = Lab()
    lab.welcome("zoe")
    profile = zoe(lab)
    before = files(profile.directory), profile.held
    other = Lab("lab", b"another root".ljust(32, b"."))
    for _ in range(9):
        other.fold()
    lab.invite("class", uses=2)
    lab.join("class", "kim")
    forged = lab.standing.parts.admissions[0]
    forged = type(forged)(forged.grant, forged.publics, forged.name, forged.by_self, forged.by_grant)
    broken = encode(type(lab.standing.parts)(lab.standing.parts.roster, [forged]))
    lab.remove("zoe")
    for book in (b"", lab.standing.book, lab.standing.book[:-1], other.standing.book, broken):
        with pytest.raises((RosterError, InvitationError)):
            profile.adopt(book)
    assert (files(profile.directory), profile.held) == before


def test_processes_share_what_they_adopted() -> None:
    lab = Lab()
    one = ann(lab)
    two = Profile.load("lab")
    assert not two.reload()
    lab.invite("zoe")
    one.adopt(lab.standing.book)
    older = lab.standing.book
    assert two.reload()
    assert two.standing == one.standing
    lab.fold()
    one.adopt(lab.standing.book)
    assert two.adopt(older)  # somebody else here knew of a newer one: that one counts
    assert two.standing == one.standing == lab.standing


def test_many_at_once_end_with_the_newest() -> None:
    lab = Lab()
    profile = ann(lab)
    books = []
    for number in range(8):
        lab.invite(f"i{number}")
        books.append(lab.standing.book)
    errors: list[BaseException] = []

    def adopt(book: bytes) -> None:
        mine = Profile.load("lab")
        for each in (profile, mine):
            try:
                each.adopt(book)
            except RosterError as error:
                if "older than" not in str(error):
                    errors.append(error)

    threads = [threading.Thread(target=adopt, args=(book,)) for book in reversed(books)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    profile.reload()
    assert profile.standing.book == Profile.load("lab").standing.book == books[-1]


@pytest.mark.slow
def test_other_processes_do_the_same() -> None:
    lab = Lab()
    profile = ann(lab)
    lab.invite("zoe")
    program = "import sys; from raisin_core.identity.profile import Profile; p = Profile.load('lab')\n"
    program += "print(p.adopt(sys.stdin.buffer.read()), p.standing.version)"
    command = [sys.executable, "-c", program]
    others = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    told = [each.communicate(lab.standing.book, timeout=60)[0].split() for each in others]
    assert [version for _, version in told] == [b"2", b"2"]
    assert told[0][0] == b"True"  # the second one may have found it there
    assert profile.reload()
    assert profile.standing == lab.standing


# -- settings --------------------------------------------------------------------------------------------------------


def test_whose_machines_are_mine_and_whose_code_runs() -> None:
    lab = Lab()
    lab.welcome("zoe", "sam")
    profile, other = ann(lab), Profile.load("lab")
    profile.confirm(lab.standing.members["zoe"])
    other.confirm(lab.standing.members["sam"])
    other.set_runs(["sam", 'Zoe "the best" \u00fc'])
    assert profile.reload()
    for each in (profile, other, Profile.load("lab")):
        assert each.mine == {secrets(name).public.ed25519 for name in ("ann", "zoe", "sam")}
        assert each.runs == ["sam", 'Zoe "the best" \u00fc']
    profile.confirm(lab.standing.members["zoe"], mine=False)
    assert profile.mine == {secrets(name).public.ed25519 for name in ("ann", "sam")}
    assert profile.runs == ["sam", 'Zoe "the best" \u00fc']
    assert not profile.reload()  # what it wrote itself is no news
    with pytest.raises(UsageError):
        profile.set_runs(["a\nb"])


def test_a_sealer_follows_its_profile() -> None:
    lab = Lab()
    lab.welcome("zoe", "sam")
    mine, theirs = ann(lab), zoe(lab, "theirs")
    context, at = Context("arguments", b"j" * 16, 0, 1), Context("results", b"j" * 16, 0, 1, lease=(1, 1))
    one, two = mine.sealer(), theirs.sealer()
    answer = two.seal(Parcel(b"answer"), at, Attestation(mine.me.publics.ed25519))
    assert not one.open(answer, at).own
    mine.confirm(lab.standing.members["zoe"])
    assert one.open(answer, at).own
    lab.remove("sam")
    for profile in (mine, theirs):
        profile.adopt(lab.standing.book)
    page = one.seal(Parcel(b"page"), context, Warrant(b"f" * 32, Options(), NOW))
    assert one.epoch == two.epoch == 2
    assert two.open(page, context).payload == b"page"
    assert one.open(answer, at).payload == b"answer"


# -- damage ----------------------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("name", ["member.key", "root.key", "book", "settings.toml"])
@pytest.mark.parametrize("mode", [0o644, 0o620, 0o602])
def test_files_that_others_can_reach_are_refused(name: str, mode: int) -> None:
    profile = ann(Lab())
    profile.set_runs([])
    (profile.directory / name).chmod(mode)
    with pytest.raises(KeyFileError, match=f"others can read or write .*{name}.*chmod 600"):
        Profile.load("lab")


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2],
    "emptied": lambda data: b"",
    "garbage": lambda data: b"\xff\x00" * 50,
    "another's": lambda data: data.replace(b"seed = ", b"seeds = "),
}


@pytest.mark.parametrize("name", ["member.key", "root.key", "book"])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_is_damaged_is_told_with_what_to_do(name: str, damage: Callable[[bytes], bytes]) -> None:
    profile = ann(Lab())
    path = profile.directory / name
    before = path.read_bytes()
    after = damage(before)
    path.write_bytes(after if after != before else before[1:])
    with pytest.raises((KeyFileError, RosterError), match=r"(?i)put a copy back.*join again") as caught:
        Profile.load("lab")
    assert str(path) in str(caught.value)
    assert seed("ann").hex() not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "text", ["runs = 1", "runs = [1]", "confirmed = ['ab']", "x = 1", "runs = [", "runs = ['']", "confirmed = ['?']"]
)
def test_settings_that_mean_nothing(text: str) -> None:
    profile = ann(Lab())
    profile.set_runs([])
    (profile.directory / "settings.toml").write_text(text)
    with pytest.raises(RosterError, match=r"settings.toml: .*Put it right, or delete it"):
        Profile.load("lab")


def test_keys_of_another_cluster_in_the_directory() -> None:
    lab, other = Lab(), Lab("lab", b"another root".ljust(32, b"."))
    profile = ann(lab)
    (profile.directory / "book").write_bytes(other.standing.book)
    with pytest.raises(RosterError, match="another cluster"):
        Profile.load("lab")
    (profile.directory / "book").write_bytes(lab.standing.book)
    root = profile.directory / "root.key"
    root.write_text(root.read_text().replace(ROOT.hex(), (b"." * 32).hex()))
    with pytest.raises(KeyFileError, match="root key of another cluster"):
        Profile.load("lab")


def test_a_profile_that_is_half_there_can_be_made_anew() -> None:
    """The book is written last: without it there is no profile."""
    lab = Lab()
    profile = ann(lab)
    (profile.directory / "book").unlink()
    assert Profile.names() == []
    with pytest.raises(UsageError, match="not in a cluster"):
        Profile.load("lab")
    assert ann(lab).standing == lab.standing
