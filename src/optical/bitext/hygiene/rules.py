"""What can be wrong with a pair, and whether cleaning drops it for that."""

from typing import NamedTuple

from optical.errors import OpticalError


class Rule(NamedTuple):
    """A reason to doubt a pair.

    ``drops`` says that cleaning drops such pairs unless told otherwise: it is set where reading the pairs that the rule
    finds in real text showed hardly a good one. The other rules only warn.
    """

    name: str
    meaning: str
    drops: bool


EMPTY = Rule("empty-side", "a side without a letter or digit", True)
OVERLONG = Rule("overlong-side", "a side of more than 2,000 characters", True)
UNTRANSLATED = Rule("untranslated", "both sides are the same words", True)
HARDLY_TRANSLATED = Rule(
    "hardly-translated", "four of five words of the foreign side stand in the English one", False
)
MARKUP = Rule(
    "markup-debris", "tags, Python bytes, control characters, a bare URL or twice-encoded letters", True
)
ENTITY = Rule("entity", "an HTML entity such as &quot;", False)
NUMBERS = Rule("number-mismatch", "each side has numbers that the other lacks", False)
LANGUAGE = Rule("wrong-language", "the foreign side is in another language", True)
LEAKAGE = Rule(
    "near-copy-of-a-query", "a side shares three of five words with a query of the evaluation", True
)
SCRIPT = Rule("wrong-script", "hardly a letter of a side is of the script of the file", True)
LENGTH = Rule("length-ratio", "one side is far too long for the other", True)
UNLIKELY = Rule("unlikely-translation", "neither words nor lengths fit each other", False)
MISALIGNED = Rule("misaligned-stretch", "lines that do not belong together, for a stretch", True)
BOUNDARY = Rule("edge-of-a-shift", "where a shift of the lines begins or ends, without a sure partner", True)
DUPLICATE = Rule("duplicate", "the same pair stands before", True)
NEAR_DUPLICATE = Rule("near-duplicate", "the same words stand before, with other case or punctuation", True)

RULES = (
    EMPTY,
    OVERLONG,
    BOUNDARY,
    MISALIGNED,
    UNTRANSLATED,
    MARKUP,
    SCRIPT,
    LANGUAGE,
    LEAKAGE,
    LENGTH,
    DUPLICATE,
    NEAR_DUPLICATE,
    HARDLY_TRANSLATED,
    ENTITY,
    NUMBERS,
    UNLIKELY,
)
"""All rules; a pair that several of them find is dropped under the first of these."""

BIT = {rule: 1 << position for position, rule in enumerate(RULES)}
"""The bit of each rule in the sum of those that find a pair."""


def rule_named(name: str) -> Rule:
    """Return the rule of this name.

    Raises:
        OpticalError: there is none.
    """
    for rule in RULES:
        if rule.name == name:
            return rule
    names = ", ".join(rule.name for rule in RULES)
    raise OpticalError(f"There is no rule {name}. Name one of {names}.")
