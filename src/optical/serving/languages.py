"""Which of the loaded languages a query is in."""

import copy
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sentence_transformers import MultiVectorEncoder

from optical.encoders import query_transformer
from optical.packages import require_package

# Below this probability the runner-up is searched, too. On questions in four African languages and English that finds
# the right language of 98.8 instead of 98.0 %, and searches 6 % in two; of their first two words alone, 88.7 instead of
# 81.0 %, and searches 39 % in two (benchmarks/language_identification.py, "development").
SURE = 0.7
ENGLISH = "en"

Probabilities = dict[str, float]
Identifier = Callable[[str], Probabilities]


@dataclass(frozen=True)
class Decision:
    """In what languages to search, and why.

    Attributes:
        languages: one, or two if the likelier is below :data:`SURE`; the likelier first.
        probabilities: of all loaded languages, as the identifier says, the likeliest first.
    """

    languages: tuple[str, ...]
    probabilities: Probabilities

    @property
    def confidence(self) -> float:
        """The probability of the first language."""
        return self.probabilities[self.languages[0]]


class LanguageRouting:
    """Tells the languages of queries, among those of the loaded encoders only.

    :func:`by_letters` does it if it knows them all, otherwise :func:`by_vocabulary`. ``method`` says which. Where there
    is only one language, it is always that.

    Args:
        encoders: by language code; at least one. What follows a hyphen (``pt-BR``) does not count.

    Raises:
        OpticalError: py3langid is not installed.
    """

    def __init__(self, encoders: Mapping[str, MultiVectorEncoder]) -> None:
        self._identify: Identifier
        if len(encoders) == 1:
            (only,) = encoders
            self.method, self._identify = "none", lambda text: {only: 1.0}
        elif (identify := by_letters(list(encoders))) is not None:
            self.method, self._identify = "py3langid", identify
        else:
            self.method = "vocabulary"
            # Copies, because a tokenizer must not be used in two threads.
            self._identify = by_vocabulary(
                {
                    each: copy.deepcopy(query_transformer(encoder).tokenizer)
                    for each, encoder in encoders.items()
                }
            )

    def decide(self, text: str) -> Decision:
        """Return in which languages to search for ``text``."""
        likeliest = sorted(self._identify(text).items(), key=lambda item: (-item[1], item[0] != ENGLISH))
        chosen = likeliest[: 1 if likeliest[0][1] >= SURE else 2]
        return Decision(tuple(language for language, _ in chosen), dict(likeliest))


def by_letters(languages: Sequence[str]) -> Identifier | None:
    """Return py3langid (Lui and Baldwin, langid.py, ACL 2012, with newer models); None if it lacks a language."""
    names = {language.partition("-")[0].lower(): language for language in languages}
    identifier = copy.copy(_py3langid())
    if len(names) < len(languages) or not names.keys() <= set(identifier.nb_classes):
        return None
    identifier.set_languages(list(names))
    return lambda text: {names[str(code)]: float(value) for code, value in identifier.rank(text)}


@functools.cache
def _py3langid() -> Any:
    require_package("py3langid", extra="serve")
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def by_vocabulary(tokenizers: Mapping[str, Any]) -> Identifier:
    """Return what tells languages by the tokenizers of their encoders: the fewer tokens, the likelier.

    Each token more makes a language e times less likely; what a tokenizer has no token for counts by the letter. It is
    no use for encoders that share one multilingual vocabulary.
    """

    def count(text: str, tokenizer: Any) -> int:
        encoded = tokenizer(text, add_special_tokens=False, padding=False, truncation=False, verbose=False)
        ids, spans = encoded["input_ids"], encoded.encodings[0].offsets
        unknown = tokenizer.unk_token_id
        return sum(
            end - start if token == unknown else 1 for token, (start, end) in zip(ids, spans, strict=True)
        )

    def identify(text: str) -> Probabilities:
        counts = {language: count(text, tokenizer) for language, tokenizer in tokenizers.items()}
        weights = {language: math.exp(min(counts.values()) - number) for language, number in counts.items()}
        return {language: weight / sum(weights.values()) for language, weight in weights.items()}

    return identify
