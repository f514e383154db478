"""The sealer of a cluster's member: payloads that only members can read and only their author can have written.

    payload    1 (a byte), length of the head (4 bytes), head, signature (64 bytes; none where nobody signs), box
    head       msgpack: epoch, roster version, the sealer's Ed25519 key, lease, statement
    box        salt (32 bytes), commitment (32), chunks: up to 1 MiB under AES-256-GCM, each with its tag (16)
    context    msgpack: format, cluster, epoch, kind, job, page, first, count, the sealer's key; for results the lease

HKDF(K_e, salt, context) gives key and commitment. Nonce = number of the chunk (11 bytes) and 1 in the last, else 0;
associated data = context. The signature is over "raisin payload 1", SHA-256(context, head), SHA-256(box). Functions and
blobs are nobody's and belong nowhere: their salt comes from their content, so equal ones are equal within an epoch, and
who is to rely on one names it by SHA-256 of what travels, in what is signed.

Rules of this file: no state but what is derived from keys; the commitment is compared before anything is decrypted,
the signature verified before anything is believed; what fails is SealError and tells no secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import struct
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, NamedTuple, Protocol

import msgspec

from raisin_core.ciphers import NONCE, TAG, Aead, aes_gcm, hkdf, sign, verify
from raisin_core.errors import SealError, Tampered
from raisin_core.identity.documents import Former, Member
from raisin_core.identity.epochs import open_tags
from raisin_core.identity.sealing import Attestation, Context, Opened, Parcel, Statement, Warrant
from raisin_core.identity.secrets import Secrets
from raisin_core.identity.standing import Standing
from raisin_core.messages.base import Digest, Index, Tags

FORMAT: Final = 1
CHUNK: Final = 1 << 20  # bytes of plaintext in a chunk, at most
SALT: Final = 32
SIGNATURE: Final = 64
MAX_HEAD: Final = 1 << 20
LONGEST_TEXT: Final = 10_000  # characters of a text in a header
ROLE: Final = {"arguments": "client", "results": "worker"}
STATEMENT: Final[dict[str, type[Any]]] = {"arguments": Warrant, "results": Attestation}

_START: Final = struct.Struct(">BI")
_BOX: Final = SALT + 32  # before the chunks
_TOKEN: Final = re.compile("\u27e6([A-Za-z0-9_-]{48,})\u27e7")
_TEXT_SALT: Final = 16
_TEXT_BYTES: Final = (LONGEST_TEXT - 4) * 3 // 4 - 8 - _TEXT_SALT - TAG


Author = Member | Former


class Held(NamedTuple):
    """What a member knows at one moment: who belongs to the cluster, and the keys of the epochs in use."""

    standing: Standing
    keys: Mapping[int, bytes]

    def __repr__(self) -> str:
        return f"Held({self.standing!r}, keys of epochs {sorted(self.keys)})"


class View(Protocol):
    """What a sealer asks its member's profile for, each time."""

    @property
    def held(self) -> Held:
        """The newest standing, and the keys that go with it."""
        ...

    @property
    def secrets(self) -> Secrets:
        """The member's own keys."""
        ...

    @property
    def mine(self) -> frozenset[bytes]:
        """The Ed25519 keys of the user's own machines."""
        ...


class _Head(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    epoch: Index
    version: Index
    sealer: Annotated[bytes, msgspec.Meta(max_length=32)]
    lease: tuple[Index, Index]
    statement: Warrant | Attestation | None


class _Inside(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    payload: bytes
    blobs: Annotated[dict[Digest, Digest], msgspec.Meta(max_length=10_000)]
    tags: Tags


_encoder: Final = msgspec.msgpack.Encoder()
_heads: Final = msgspec.msgpack.Decoder(_Head)
_insides: Final = msgspec.msgpack.Decoder(_Inside)


class MemberSealer:
    """Seals and opens for one member, by what its profile knows at the time (`sealing.Sealer`). With `former`, it also
    opens what somebody sealed who was a member then and has left; nobody else's word counts for it (never `own`)."""

    def __init__(self, view: View, former: bool = False) -> None:
        self._view, self._former = view, former
        self._subkeys: dict[tuple[bytes, bytes], bytes] = {}

    @property
    def epoch(self) -> int:
        """The epoch whose key seals now."""
        return self._view.held.standing.epoch

    def seal(self, parcel: Parcel, context: Context, statement: Statement | None = None) -> bytes:
        """The parcel, to be sent; signed where there is a statement, which arguments and results must have. Raises
        SealError for one that does not belong there."""
        standing, keys = self._view.held
        signed = context.kind in ROLE
        if type(statement) is not STATEMENT.get(context.kind, type(None)):
            raise SealError(f"{context.kind} cannot be sealed with {type(statement).__name__} as their statement")
        own = self._view.secrets if signed else None
        head = _Head(
            standing.epoch,
            standing.version if signed else 0,
            own.public.ed25519 if own else b"",
            context.lease if context.kind == "results" else (0, 0),
            statement,
        )
        inside = _encoder.encode(_Inside(parcel.payload, dict(parcel.blobs), parcel.tags))
        return self._seal(inside, head, _place(standing.cluster, head, context), _key(keys, standing.epoch), own)

    def _seal(self, plain: bytes, head: _Head, place: bytes, key: bytes, own: Secrets | None) -> bytes:
        salt = os.urandom(SALT) if own else hmac.digest(self._subkey(key, b"blob"), plain, "sha256")
        derived = hkdf(key, 64, salt=salt, info=place)
        box = [salt, derived[32:], *_encrypted(aes_gcm(derived[:32]), plain, place)]
        start = _written(head)
        signature = sign(own.ed25519, _signed_text(place, start, box)) if own else b""
        return b"".join((_START.pack(FORMAT, len(start)), start, signature, *box))

    def open(self, payload: bytes, context: Context) -> Opened:
        """The parcel that was sealed for the same context, by a member of the newest roster that may. Raises
        SealError."""
        standing, keys = self._view.held
        head, start, rest = _parsed(payload, context.kind)
        place = _place(standing.cluster, head, context)
        member = self._author(head, context, standing)
        try:
            signer = head.sealer if member is not None else None
            inside = _insides.decode(_opened(rest, _key(keys, head.epoch), place, start, signer))
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise SealError(f"what was sealed as {context.kind} is none") from None
        parcel = Parcel(inside.payload, inside.blobs, inside.tags)
        if member is None:
            return Opened(parcel, own=False)
        mine = self._view.mine & standing.by_signature.keys()
        own = head.sealer in mine
        if isinstance(head.statement, Attestation):
            own = own and head.statement.submitter in mine
        return Opened(parcel, own, head.sealer, member.name, member.account, head.statement)

    def _author(self, head: _Head, context: Context, standing: Standing) -> Author | None:
        """The member that says to have sealed it and may; None where nobody does."""
        if type(head.statement) is not STATEMENT.get(context.kind, type(None)):
            raise SealError(f"this is sealed as something else than {context.kind}")
        if context.kind not in ROLE:
            if head.sealer or head.version or head.lease != (0, 0):
                raise SealError(f"this is sealed as something else than a {context.kind}")
            return None
        if context.lease not in ((0, 0), head.lease) or (context.kind != "results" and head.lease != (0, 0)):
            raise SealError(f"these {context.kind} are of another lease")
        member = _signer(head, standing, self._former)
        if member is None or ROLE[context.kind] not in member.roles:
            raise SealError(f"{context.kind} by nobody who is a {ROLE[context.kind]} of {standing.name!r} (any more)")
        return member

    # -- blobs -------------------------------------------------------------------------------------------------------

    def seal_blob(self, data: bytes) -> tuple[bytes, bytes]:
        """A blob as it travels: its name (SHA-256 of this) and content; the same within an epoch for the same data."""
        standing, keys = self._view.held
        head = _Head(standing.epoch, 0, b"", (0, 0), None)
        place = _place(standing.cluster, head, None)
        sealed = self._seal(data, head, place, _key(keys, standing.epoch), None)
        return hashlib.sha256(sealed).digest(), sealed

    def open_blob(self, data: bytes) -> bytes:
        """The blob, as it was. Raises SealError."""
        standing, keys = self._view.held
        head, start, rest = _parsed(data, "blob")
        if (head.version, head.sealer, head.lease, head.statement) != (0, b"", (0, 0), None):
            raise SealError("this is sealed as something else than a blob")
        return _opened(rest, _key(keys, head.epoch), _place(standing.cluster, head, None), start, None)

    # -- texts and tags ----------------------------------------------------------------------------------------------

    def hide(self, text: str, job: bytes) -> str:
        """A text (cut where it is longer than a header takes: some 7,400 bytes) as a token between brackets; the same
        text about the same job gives the same token within an epoch."""
        standing, keys = self._view.held
        epoch, key = standing.epoch, _key(keys, standing.epoch)
        data = text.encode(errors="replace")
        if len(data) > _TEXT_BYTES:
            data = data[: _TEXT_BYTES - 3].decode(errors="ignore").encode() + b"..."
        salt = hmac.digest(self._subkey(key, b"text"), job + data, "sha256")[:_TEXT_SALT]
        sealed = _text_cipher(key, salt, standing.cluster, epoch).encrypt(bytes(NONCE), data, b"")
        token = base64.urlsafe_b64encode(epoch.to_bytes(8, "big") + salt + sealed).decode().rstrip("=")
        return f"\u27e6{token}\u27e7"

    def reveal(self, text: str) -> str:
        """A text with what is hidden in it; what cannot be opened reads `(sealed)`."""
        return _TOKEN.sub(self._revealed, text) if "\u27e6" in text else text

    def _revealed(self, found: re.Match[str]) -> str:
        standing, keys = self._view.held
        token = found[1]
        try:
            data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            epoch, salt, sealed = int.from_bytes(data[:8], "big"), data[8 : 8 + _TEXT_SALT], data[8 + _TEXT_SALT :]
            cipher = _text_cipher(_key(keys, epoch), salt, standing.cluster, epoch)
            return cipher.decrypt(bytes(NONCE), sealed, b"").decode()
        except ValueError:  # SealError, Tampered and what base64 and UTF-8 raise are all ValueErrors
            return "(sealed)"

    def tag_key(self, name: str) -> bytes:
        """The key of tags under a `resume` key. It is the same in all epochs, so that what was recorded is found again
        after a removal; a member that was removed can still recognise by it arguments that it can guess."""
        standing, keys = self._view.held
        secret = open_tags(standing, _key(keys, standing.epoch))
        return hkdf(secret, 32, info=b"raisin tags" + name.encode(errors="surrogatepass"))

    def _subkey(self, key: bytes, name: bytes) -> bytes:
        found = self._subkeys.get((key, name))
        if found is None:
            if len(self._subkeys) >= 16:  # keys of epochs that were erased go, too
                self._subkeys.clear()
            found = self._subkeys[key, name] = hkdf(key, 32, info=b"raisin " + name)
        return found


def _signer(head: _Head, standing: Standing, former: bool) -> Author | None:
    """Who has this key, or had it when that epoch was."""
    member = standing.by_signature.get(head.sealer)
    if member is not None or not former:
        return member
    left = standing.former(head.sealer)
    return left if left is not None and head.epoch <= left.epoch else None


def _key(keys: Mapping[int, bytes], epoch: int) -> bytes:
    key = keys.get(epoch)
    if key is None:
        raise SealError(f"the key of epoch {epoch} is not here: it is later than this machine's roster, or was erased")
    return key


def _place(cluster: bytes, head: _Head, context: Context | None) -> bytes:
    """The context, as bytes; None for a blob."""
    if context is None or context.kind not in ROLE:
        kind = "blob" if context is None else context.kind
        return _encoder.encode((FORMAT, cluster, head.epoch, kind, b"", 0, 0, 0, b""))
    place = (FORMAT, cluster, head.epoch, context.kind, context.job, context.page, context.first, context.count)
    lease = head.lease if context.kind == "results" else ()
    return _encoder.encode((*place, head.sealer, *lease))


def _written(head: _Head) -> bytes:
    """A head's one encoding: read back, since a caller's numbers may be of types that read otherwise."""
    try:
        written = _encoder.encode(_heads.decode(_encoder.encode(head)))
    except msgspec.DecodeError as error:
        raise SealError(f"this cannot be stated: {error}") from None
    if len(written) > MAX_HEAD:
        raise SealError(f"a statement of {len(written)} bytes is longer than one may be ({MAX_HEAD})")
    return written


def _parsed(payload: bytes, kind: str) -> tuple[_Head, bytes, memoryview]:
    """The head, how it is written, and the rest. Nothing of it is verified yet."""
    view = memoryview(payload)
    if len(view) < _START.size or view[0] != FORMAT:
        raise SealError(f"this {kind} payload is not sealed, or by a later raisin")
    length = _START.unpack_from(view)[1]
    start = bytes(view[_START.size : _START.size + length]) if length <= MAX_HEAD else b""
    try:
        head = _heads.decode(start)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise SealError(f"the head of a sealed {kind} payload cannot be read") from None
    if _encoder.encode(head) != start:
        raise SealError(f"the head of a sealed {kind} payload is written in another way than raisin writes it")
    return head, start, view[_START.size + length :]


def _opened(rest: memoryview, key: bytes, place: bytes, start: bytes, signer: bytes | None) -> bytes:
    signature, box = (rest[:SIGNATURE], rest[SIGNATURE:]) if signer else (rest[:0], rest)
    if len(box) < _BOX + TAG:
        raise SealError("a sealed payload was cut")
    derived = hkdf(key, 64, salt=bytes(box[:SALT]), info=place)
    if not hmac.compare_digest(derived[32:], box[SALT:_BOX]):
        raise SealError("this was sealed for another place, or with another key")
    try:
        if signer is not None:
            verify(signer, _signed_text(place, start, [box]), bytes(signature))
        return b"".join(_decrypted(aes_gcm(derived[:32]), box[_BOX:], place))
    except Tampered:
        raise SealError("a sealed payload was changed on its way, or its author did not sign it") from None


def _signed_text(place: bytes, start: bytes, box: Iterable[bytes | memoryview]) -> bytes:
    """What is signed; of the box, which is large, in its pieces."""
    digest = hashlib.sha256()
    for piece in box:
        digest.update(piece)
    return b"raisin payload 1" + hashlib.sha256(place + start).digest() + digest.digest()


def _encrypted(cipher: Aead, plain: bytes, place: bytes) -> list[bytes]:
    view, count = memoryview(plain), max(1, -(-len(plain) // CHUNK))
    pieces = (view[number * CHUNK : (number + 1) * CHUNK] for number in range(count))
    return [cipher.encrypt(_nonce(number, number == count - 1), piece, place) for number, piece in enumerate(pieces)]


def _decrypted(cipher: Aead, chunks: memoryview, place: bytes) -> list[bytes]:
    size = CHUNK + TAG
    count = -(-len(chunks) // size)
    pieces = (chunks[number * size : (number + 1) * size] for number in range(count))
    return [cipher.decrypt(_nonce(number, number == count - 1), piece, place) for number, piece in enumerate(pieces)]


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(NONCE - 1, "big") + bytes([last])


def _text_cipher(key: bytes, salt: bytes, cluster: bytes, epoch: int) -> Aead:
    return aes_gcm(hkdf(key, 32, salt=salt, info=b"raisin text" + cluster + epoch.to_bytes(8, "big")))
