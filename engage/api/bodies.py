"""Bodies: read to the end within bounds, unzipped within the same bounds."""

import zlib
from collections.abc import Iterable

from engage.api.answers import ApiError, Header, Receive

SMALL = 512 * 1024
"""Bytes of a body that are read whatever else is being read."""
MAX_LARGE = 256 * 1024 * 1024
"""Bytes beyond that, of all bodies that have not ended, in a process: who sends large ones and never ends them holds no more."""
DRAIN = 16 * 1024 * 1024
"""Bytes of a too large body that are still read, so that the sender sees our answer and not a broken connection."""
MAX_MEMBERS = 3_000
"""Pieces of a zipped body: gzip may come in several, one behind the other; some clients zip each event."""
SLICE = 16 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_WINDOW_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class ClientGoneError(Exception):
    """The caller hung up before the body was complete."""


def headers_of(headers: Iterable[Header]) -> dict[bytes, bytes]:
    """Return the headers by lower-case name; of repeated ones the last."""
    return dict(headers)


async def read_body(receive: Receive, headers: dict[bytes, bytes], limit: int) -> bytes:
    """Return the body, unzipped.

    Raises:
        ApiError: 413 for more than `limit` bytes, zipped or not; 400 for zipped bytes that do not unzip.
        ClientGoneError: there is nobody to answer.
    """
    return unzipped(await read_raw(receive, limit), headers.get(b"content-encoding", b""), limit)


async def read_raw(receive: Receive, limit: int) -> bytes:
    """Return the body as it came.

    Raises:
        ApiError: 413 for more than `limit` bytes, 503 where too many large ones are under way.
        ClientGoneError: there is nobody to answer.
    """
    message = await receive()
    if message["type"] != "http.request":
        raise ClientGoneError
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        return await _read_on(receive, body, limit)
    if len(body) > limit:
        raise too_large(limit)
    return body


class _Unfinished:
    """A body that has not ended: its pieces, which count together with those of all others."""

    held = 0
    """Bytes beyond `SMALL`, of all of them."""

    def __init__(self, first: bytes) -> None:
        self._pieces, self.size, self._counted = [first], len(first), 0

    def add(self, piece: bytes) -> None:
        """Keep a piece.

        Raises:
            ApiError: 503 where too many large bodies are under way.
        """
        if self.size > SMALL:
            if _Unfinished.held + len(piece) > MAX_LARGE:
                raise _busy()
            _Unfinished.held += len(piece)
            self._counted += len(piece)
        self._pieces.append(piece)

    def whole(self) -> bytes:
        """Return it."""
        return b"".join(self._pieces)

    def leave(self) -> None:
        """Count no more."""
        _Unfinished.held -= self._counted


async def _read_on(receive: Receive, first: bytes, limit: int) -> bytes:
    body = _Unfinished(first)
    try:
        await _read_end(receive, body, limit)
        return body.whole()
    finally:
        body.leave()


async def _read_end(receive: Receive, body: _Unfinished, limit: int) -> None:
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        piece = message.get("body", b"")
        body.size += len(piece)
        if body.size <= limit:
            body.add(piece)
        elif body.size > max(DRAIN, limit):
            break
        more = message.get("more_body", False)
    if body.size > limit:
        raise too_large(limit)


def _busy() -> ApiError:
    """Others are sending too much; the rest of this body is of no use, so that the connection ends."""
    return ApiError(
        503,
        "busy",
        "Too many large bodies are under way; send this again soon.",
        headers={"retry-after": "5", "connection": "close"},
    )


def unzipped(body: bytes, encoding: bytes, limit: int) -> bytes:
    """Return the body without its gzip or deflate coating, which is recognised without a header too.

    Raises:
        ApiError: 413 for more than `limit` bytes, 400 for a broken or unknown coating.
    """
    if not body.startswith(_GZIP_MAGIC):
        name = encoding.strip().lower()
        if name in (b"", b"identity", b"gzip", b"x-gzip"):
            # Some proxies unzip and leave the header standing: what is no gzip is taken as it is.
            return body
        if name != b"deflate":
            raise ApiError(400, "unknown_encoding", "Send the body as it is, or with Content-Encoding: gzip.")
    plain, begin = bytearray(), 0
    for _ in range(MAX_MEMBERS):
        begin += _unzip_member(memoryview(body)[begin:], plain, limit)
        if not body.startswith(_GZIP_MAGIC, begin):
            return bytes(plain)
    raise ApiError(400, "malformed_body", f"The body is zipped in more than {MAX_MEMBERS} pieces.")


def _unzip_member(body: memoryview, plain: bytearray, limit: int) -> int:
    """Add what the first member holds, and return where it ends.

    By slices: zlib copies what it was given and is behind the end, which of many small members would be the square of all.
    """
    inflate = zlib.decompressobj(_WINDOW_GZIP_OR_ZLIB)
    for begin in range(0, len(body), SLICE):
        piece = body[begin : begin + SLICE]
        try:
            plain += inflate.decompress(piece, limit + 1 - len(plain))
        except zlib.error as exc:
            raise ApiError(400, "malformed_body", "The body does not unzip.") from exc
        if len(plain) > limit:
            raise too_large(limit)
        if inflate.eof:
            return begin + len(piece) - len(inflate.unused_data)
    raise ApiError(400, "malformed_body", "The zipped body is cut off.")


def too_large(limit: int) -> ApiError:
    """The body is over the limit; sending it again is of no use."""
    return ApiError(413, "too_large", f"A body has at most {limit} bytes, unzipped.", {"limit": limit})
