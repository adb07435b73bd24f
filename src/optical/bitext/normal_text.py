"""The one form in which text is compared and kept."""

import unicodedata


def normal_text(text: str) -> str:
    """Return ``text`` in Unicode's form C, with single spaces between words and none around them."""
    # Most text is normal already, which is quicker to see than to bring about. Printable text has no space but " ".
    if (
        text.isprintable()
        and "  " not in text
        and text[:1] != " " != text[-1:]
        and (text.isascii() or unicodedata.is_normalized("NFC", text))
    ):
        return text
    return " ".join(unicodedata.normalize("NFC", text).split())
