"""Text order: texts in the order of their code points, as COLLATE "C" has them."""

_AFTER_ALL = "\U0010ffff" * 2


def after_prefix(prefix: str) -> str:
    """Return the first text after all that begin with `prefix`."""
    for at in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[at]) + 1
        if code <= 0x10FFFF:
            # Surrogates are no characters; the next one that is stands behind them.
            return prefix[:at] + chr(0xE000 if 0xD800 <= code <= 0xDFFF else code)
    return _AFTER_ALL
