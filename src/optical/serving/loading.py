"""The encoders of a service, loaded together."""

import logging
from collections.abc import Mapping
from typing import NamedTuple

from sentence_transformers import MultiVectorEncoder

from optical.bitext import QueryTranslations
from optical.encoders import find_query_translations, fingerprint, load_query_encoder
from optical.errors import OpticalError
from optical.serving.encoding import check_searchable
from optical.serving.languages import LanguageRouting
from optical.serving.served_index import ServedIndex

logger = logging.getLogger(__name__)


class Loaded(NamedTuple):
    """Encoders by language, the query translations of those that have some, and what tells the languages."""

    encoders: dict[str, MultiVectorEncoder]
    translations: dict[str, QueryTranslations]
    routing: LanguageRouting


def load(sources: Mapping[str, str], index: ServedIndex) -> Loaded:
    """Load encoders for an index; their translations only if it has words.

    Args:
        sources: folders or Hub ids by language.
        index: what is to be searched.

    Raises:
        OpticalError: one cannot be loaded, or belongs to another teacher than the index.
    """
    encoders, translations = {}, {}
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
        if index.lexical and (table := _translations_of(source)) is not None:
            translations[language] = table
    return Loaded(encoders, translations, LanguageRouting(encoders))


def _translations_of(source: str) -> QueryTranslations | None:
    try:
        return find_query_translations(source)
    except OpticalError as error:
        # Only hybrid searches need them: no reason not to serve an encoder that is in the cache of a machine offline.
        logger.warning("%s Until the next reload there are no hybrid searches with this encoder.", error)
        return None
