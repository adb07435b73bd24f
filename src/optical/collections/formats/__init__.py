"""Every format, one file each."""

from optical.collections.collection import Collection
from optical.collections.formats.africlirmatrix import AfriClirMatrix
from optical.collections.formats.afriqa import Afriqa
from optical.collections.formats.beir import Beir
from optical.collections.formats.ciral import Ciral
from optical.collections.formats.ir_datasets import IrDatasets
from optical.collections.formats.mkqa import Mkqa
from optical.collections.formats.squad import Squad
from optical.collections.formats.trec import Trec
from optical.collections.formats.tsv import TabSeparated
from optical.collections.formats.xquad_r import XquadR

FORMATS: dict[str, type[Collection]] = {
    format.description.name: format
    for format in (Beir, XquadR, Squad, Mkqa, Afriqa, Ciral, AfriClirMatrix, Trec, IrDatasets, TabSeparated)
}
"""Name -> format, in the order in which they are asked whether they recognise a file."""

FORMATS["xquad"] = Squad

__all__ = ["FORMATS"]
