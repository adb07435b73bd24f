"""Foreign sides in another language than the one told."""

from typing import Any

from optical.errors import OpticalError
from optical.packages import require_package

_SURE = 0.99
_RULED_OUT = 1e-4
_FEWEST_LETTERS = 20


class WrongLanguage:
    """Says of a text whether it is surely not in ``language``.

    The identifier is py3langid (Lui and Baldwin, langid.py, ACL 2012, with newer models): a text counts as wrong if it
    gives another language 99 % and this one less than 0.01 %, in text of 20 characters or more.

    Args:
        language: ISO 639-1 code, or 639-3 where there is no shorter one.

    Raises:
        OpticalError: py3langid is not installed, or does not know the language.
    """

    def __init__(self, language: str) -> None:
        require_package("py3langid", extra="language")
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        self._identifier: Any = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        known = sorted(map(str, self._identifier.nb_classes))
        if language not in known:
            raise OpticalError(
                f"The language identifier does not know {language}. Leave out --language, or give one of: "
                f"{' '.join(known)}."
            )
        self._language = language

    def __call__(self, text: str) -> bool:
        """Return whether ``text`` is surely in another language."""
        if len(text) < _FEWEST_LETTERS:
            return False
        ranked = self._identifier.rank(text)
        best, probability = ranked[0]
        if best == self._language or probability < _SURE:
            return False
        return bool(dict(ranked)[self._language] < _RULED_OUT)
