"""A web page in the place of data: a network's sign-in page, a proxy's or a server's error."""

import re

__all__ = ["web_page"]

_STARTS = ("<!doctype html", "<html", "<head", "<body")
_SHOWN = 80  # characters


def web_page(start: bytes | str) -> str | None:
    """Say that a text is HTML, with its title or its first words; None for anything else.

    Args:
        start: the first bytes or characters of what came; a few hundred are enough.
    """
    text = start.decode("utf-8", "replace") if isinstance(start, bytes) else start
    text = re.sub(r"\A(\s|\ufeff|<\?xml[^>]*>|<!--.*?-->)+", "", text, flags=re.DOTALL)
    if not text.lower().startswith(_STARTS):
        return None
    title = re.search(r"<title[^>]*>(.*?)</title", text, re.DOTALL | re.IGNORECASE)
    shown = title[1] if title else re.sub(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", " ", text,
                                          flags=re.DOTALL | re.IGNORECASE)  # fmt: skip
    words = " ".join(shown.split())
    return f"a web page (HTML{f': {words[:_SHOWN]!r}' if words else ''})"
