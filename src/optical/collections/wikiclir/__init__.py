"""WikiCLIR: queries, passages and judgements made from the links of Wikipedia."""

from optical.collections.wikiclir.building import PROVENANCE_FILE, build_wikiclir
from optical.collections.wikiclir.options import SPLITS, Options
from optical.collections.wikiclir.statistics import Statistics

__all__ = ["PROVENANCE_FILE", "SPLITS", "Options", "Statistics", "build_wikiclir"]
