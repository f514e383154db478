"""The ciphers: published vectors, and two libraries that give the same bytes and read one another's."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raisin_core.ciphers import NONCE, TAG, aes_gcm, by_cryptodomex, by_cryptography, choice, derivation, hkdf, scrypt
from raisin_core.errors import InstallationError, Tampered

LIBRARIES = {"cryptography": by_cryptography, "pycryptodomex": by_cryptodomex}
MODULES = {"cryptography": "cryptography.hazmat.primitives.ciphers.aead", "pycryptodomex": "Cryptodome.Cipher.AES"}

# D. McGrew, J. Viega: "The Galois/Counter Mode of Operation", test cases 13 to 16 (AES-256, nonces of 96 bits).
KEY = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
PLAIN = (
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
)
ENCRYPTED = (
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
)
AES_GCM = {  # key, nonce, data, associated, ciphertext, tag
    "13": ("00" * 32, "00" * 12, "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"),
    "14": (
        *("00" * 32, "00" * 12, "00" * 16, ""),
        *("cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"),
    ),
    "15": (KEY, "cafebabefacedbaddecaf888", PLAIN, "", ENCRYPTED, "b094dac5d93471bdec1a502270e3cc6c"),
    "16": (
        *(KEY, "cafebabefacedbaddecaf888", PLAIN[:-8], "feedfacedeadbeeffeedfacedeadbeefabaddad2"),
        *(ENCRYPTED[:-8], "76fc6ece0f4e1768cddf8853bb2d551b"),
    ),
}
RFC_5869 = {  # key, salt, info, length, result
    "1": (
        *(b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)), 42),
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    "2": (
        *(bytes(range(0x50)), bytes(range(0x60, 0xB0)), bytes(range(0xB0, 0x100)), 82),
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
        "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ),
    "3": (
        *(b"\x0b" * 22, b"", b"", 42),
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
}
RFC_7914 = {  # password, salt, N, r, p, result; the fourth needs 1 GiB
    "1": (
        *(b"", b"", 16, 1, 1),
        "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
        "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906",
    ),
    "2": (
        *(b"password", b"NaCl", 1024, 8, 16),
        "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
        "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
    ),
    "3": (
        *(b"pleaseletmein", b"SodiumChloride", 16384, 8, 1),
        "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
        "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887",
    ),
}


@pytest.fixture(autouse=True)
def chosen_anew() -> Iterator[None]:
    choice.library.cache_clear()
    yield
    choice.library.cache_clear()


@pytest.fixture(params=sorted(LIBRARIES))
def library(request: pytest.FixtureRequest) -> ModuleType:
    return installed(request.param)


def installed(name: str) -> ModuleType:
    pytest.importorskip(MODULES[name])
    return LIBRARIES[name]


@pytest.mark.parametrize("case", AES_GCM.values(), ids=AES_GCM)
def test_aes_gcm_vectors(library: ModuleType, case: tuple[str, ...]) -> None:
    key, nonce, data, associated, encrypted, tag = map(bytes.fromhex, case)
    cipher = library.aes_gcm(key)
    assert cipher.encrypt(nonce, data, associated) == encrypted + tag
    assert cipher.decrypt(nonce, encrypted + tag, associated) == data


@pytest.mark.parametrize("case", RFC_5869.values(), ids=RFC_5869)
def test_hkdf_vectors(case: tuple[bytes, bytes, bytes, int, str]) -> None:
    key, salt, info, length, result = case
    assert hkdf(key, length, salt, info).hex() == result


@pytest.mark.parametrize("length", [0, 255 * 32 + 1])
def test_hkdf_gives_no_more_than_it_can(length: int) -> None:
    with pytest.raises(ValueError, match="8160"):
        hkdf(b"key", length)


@pytest.mark.parametrize("case", RFC_7914.values(), ids=RFC_7914)
@pytest.mark.parametrize("by", ["the standard library", *sorted(LIBRARIES)])
def test_scrypt_vectors(by: str, case: tuple[bytes, bytes, int, int, int, str]) -> None:
    computes: Callable[..., bytes] = scrypt if by == "the standard library" else installed(by).scrypt
    *parameters, result = case
    assert computes(*parameters, 64).hex() == result


def test_scrypt_where_python_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    here = scrypt(b"password", b"salt", 16, 8, 1, 32)
    monkeypatch.delattr(hashlib, "scrypt")
    assert not hasattr(derivation.hashlib, "scrypt")
    assert scrypt(b"password", b"salt", 16, 8, 1, 32) == here


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=12, max_size=12), st.binary(), st.binary())
def test_both_libraries_give_the_same_and_read_each_other(key: bytes, nonce: bytes, data: bytes, about: bytes) -> None:
    one, other = (installed(name).aes_gcm(key) for name in LIBRARIES)
    encrypted = one.encrypt(nonce, data, about)
    assert encrypted == other.encrypt(nonce, memoryview(data), about)
    assert len(encrypted) == len(data) + TAG
    assert one.decrypt(nonce, memoryview(encrypted), about) == other.decrypt(nonce, encrypted, about) == data


@pytest.mark.parametrize("size", [0, 1, 100])
def test_whatever_differs_is_tampered(library: ModuleType, size: int) -> None:
    key, nonce, data, about = bytes(32), bytes(NONCE), bytes(size), b"about"
    encrypted = library.aes_gcm(key).encrypt(nonce, data, about)
    for place in range(len(encrypted)):
        changed = bytearray(encrypted)
        changed[place] ^= 1
        with pytest.raises(Tampered):
            library.aes_gcm(key).decrypt(nonce, changed, about)
    for other in ((b"\1" + key[1:], nonce, about), (key, b"\1" + nonce[1:], about), (key, nonce, b"About")):
        with pytest.raises(Tampered):
            library.aes_gcm(other[0]).decrypt(other[1], encrypted, other[2])
    for short in (b"", encrypted[:-1], encrypted[: TAG - 1]):
        with pytest.raises(Tampered):
            library.aes_gcm(key).decrypt(nonce, short, about)


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_other_keys_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"32 bytes, this one has {size}"):
        aes_gcm(bytes(size))


def test_cryptography_is_taken_where_it_is() -> None:
    assert choice.library() is installed("cryptography")


def test_pycryptodomex_is_taken_where_cryptography_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MODULES["cryptography"], None)
    assert choice.library() is by_cryptodomex
    assert isinstance(aes_gcm(bytes(32)), by_cryptodomex.AesGcm)


def test_without_any_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in MODULES.values():
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InstallationError, match="pip install pycryptodomex"):
        aes_gcm(bytes(32))
