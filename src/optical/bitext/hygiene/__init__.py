"""Bad pairs in bitext: what can be wrong, what is, and the bitext without it."""

from optical.bitext.hygiene.cleaning import DROPPED_SUFFIX, DROPPING, check
from optical.bitext.hygiene.report import Example, Finding, Histogram, Report, SourceReport
from optical.bitext.hygiene.rules import RULES, Rule, rule_named

__all__ = [
    "DROPPED_SUFFIX",
    "DROPPING",
    "RULES",
    "Example",
    "Finding",
    "Histogram",
    "Report",
    "Rule",
    "SourceReport",
    "check",
    "rule_named",
]
