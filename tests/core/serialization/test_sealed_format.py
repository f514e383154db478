"""The format of sealed streams, as docs/sealing.md describes it: what was written once is read for ever."""

from __future__ import annotations

import hashlib
import hmac
import zlib

from Cryptodome.Cipher import AES

from tests.core.serialization.sealing import opened, sealed

PASSWORD = "correct horse"
CONTENTS = [b"first", b"second"]
WRITTEN = bytes.fromhex(
    "3c2f3e7365616c656420313c2f3e040101000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fdb"
    "1ee9f0bebf2501a2485ed13d59edc7e50edd809dd06f1e058971b87bca97ac1626d445000000154c993bf787997740542acb"
    "c56d4e543a57406e89276b6c82008000001638c9dc7662eaacd2fd365d48513c78f68fe87c59d9a60a568c63"
)


def opened_by_the_document(stream: bytes, password: str) -> list[bytes]:
    """The contents of the chunks, computed from the description alone."""
    header, rest = stream[:85], stream[85:]
    log_n, r, p = header[14:17]
    assert header[:14] == b"</>sealed 1</>"
    assert header[81:] == zlib.crc32(header[:81]).to_bytes(4, "big")
    slow = hashlib.scrypt(password.encode(), salt=header[17:49], n=2**log_n, r=r, p=p, maxmem=1 << 28, dklen=32)
    extracted = hmac.digest(bytes(32), slow, "sha256")
    key = hmac.digest(extracted, header[:49] + b"\1", "sha256")
    assert hmac.digest(extracted, key + header[:49] + b"\2", "sha256") == header[49:81]  # the commitment
    contents, last = [], 0
    while not last:
        word, check, rest = rest[:4], rest[4:8], rest[8:]
        assert check == zlib.crc32(word).to_bytes(4, "big")
        last, length = divmod(int.from_bytes(word, "big"), 1 << 31)
        nonce = len(contents).to_bytes(11, "big") + bytes([last])
        cipher = AES.new(key, AES.MODE_GCM, nonce=nonce).update(header)
        contents.append(cipher.decrypt_and_verify(rest[: length - 16], rest[length - 16 : length]))
        rest = rest[length:]
    assert rest == b""
    return contents


def test_what_was_written_once_is_read() -> None:
    assert opened(WRITTEN, PASSWORD) == b"firstsecond"


def test_the_document_is_right() -> None:
    assert opened_by_the_document(WRITTEN, PASSWORD) == CONTENTS
    assert opened_by_the_document(sealed(b"first", b"", b"second", password=PASSWORD), PASSWORD) == CONTENTS
    assert opened_by_the_document(sealed(password=PASSWORD), PASSWORD) == [b""]
