"""The encoders of a service, loaded together."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from sentence_transformers import MultiVectorEncoder

from optical.bitext import QueryTranslations
from optical.encoders import fingerprint, load_query_encoder, query_translations_at_hand
from optical.errors import OpticalError
from optical.serving.encoding import check_searchable
from optical.serving.languages import ENGLISH, LanguageRouting
from optical.serving.served_index import ServedIndex

# Of a query by their English words, as :meth:`optical.bitext.QueryTranslations.terms`.
Terms: TypeAlias = Callable[[str], Sequence[Mapping[str, float]]]


class Loaded(NamedTuple):
    """Encoders by language, the terms of queries in those that have a way to English, and what tells the languages."""

    encoders: dict[str, MultiVectorEncoder]
    terms: dict[str, Terms]
    routing: LanguageRouting


def load(sources: Mapping[str, str], index: ServedIndex) -> Loaded:
    """Load encoders for an index, and their translations even if it has no words now: it may come back with some.

    Args:
        sources: folders or Hub ids by language.
        index: what is to be searched.

    Raises:
        OpticalError: one cannot be loaded, or belongs to another teacher than the index.
    """
    encoders: dict[str, MultiVectorEncoder] = {}
    terms: dict[str, Terms] = {}
    for language, source in sources.items():
        encoder = load_query_encoder(source)
        teacher = fingerprint(encoder)
        if teacher != index.teacher:
            raise OpticalError(
                f"The index {index.place} was built with teacher {index.teacher}, but the encoder for {language}, "
                f"{source}, belongs to {teacher}. Give one distilled from the teacher that built the index."
            )
        # The first is slow, and may find something wrong.
        check_searchable(encoder.encode_query(["?"], convert_to_numpy=True)[0], index.dimension)
        encoders[language] = encoder
        translations = query_translations_at_hand(
            source, "Until the next reload hybrid searches do without its translations."
        )
        if translations is not None:
            terms[language] = translations.terms
        elif language == ENGLISH:
            terms[language] = QueryTranslations.of_english().terms
    return Loaded(encoders, terms, LanguageRouting(encoders))
