"""Bodies: read to the end within bounds, unzipped within the same bounds."""

import zlib
from collections.abc import Iterable

from engage.api.answers import ApiError, Header, Receive

DRAIN = 16 * 1024 * 1024
"""Bytes of a too large body that are still read, so that the sender sees our answer and not a broken connection."""
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
        ApiError: 413 for more than `limit` bytes.
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


async def _read_on(receive: Receive, first: bytes, limit: int) -> bytes:
    chunks, size = [first], len(first)
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        elif size > max(DRAIN, limit):
            break
        more = message.get("more_body", False)
    if size > limit:
        raise too_large(limit)
    return b"".join(chunks)


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
    plain = b""
    while body:  # gzip may come in several members, one behind the other
        inflate = zlib.decompressobj(_WINDOW_GZIP_OR_ZLIB)
        try:
            plain += inflate.decompress(body, limit + 1 - len(plain))
        except zlib.error as exc:
            raise ApiError(400, "malformed_body", "The body does not unzip.") from exc
        if len(plain) > limit:
            raise too_large(limit)
        if not inflate.eof:
            raise ApiError(400, "malformed_body", "The zipped body is cut off.")
        body = inflate.unused_data if inflate.unused_data.startswith(_GZIP_MAGIC) else b""
    return plain


def too_large(limit: int) -> ApiError:
    """The body is over the limit; sending it again is of no use."""
    return ApiError(413, "too_large", f"A body has at most {limit} bytes, unzipped.", {"limit": limit})
