"""Known collections: what they are, whose they are, and where their files lie.

MD5 digests and sizes are those that ir_datasets 0.6.3 publishes in ``etc/downloads.json``; the SHA-256 digests of
SQuAD are those that ParlAI publishes (``parlai/tasks/squad/build.py``). Where nobody publishes a digest there is none.
"""

from dataclasses import dataclass

from optical.collections.formats import FORMATS

_HUB = "https://huggingface.co/datasets"
_GITHUB = "https://raw.githubusercontent.com"


@dataclass(frozen=True)
class RemoteFile:
    """A file of a collection.

    Args:
        name: its path inside the collection's folder.
        address: where it lies.
        md5: published digest, if any.
        sha256: published digest, if any.
        bytes: published size, if any.
    """

    name: str
    address: str
    md5: str = ""
    sha256: str = ""
    bytes: int = 0


@dataclass(frozen=True)
class KnownCollection:
    """An entry of the registry.

    Args:
        name: as ``optical data get`` takes it, and the default folder.
        format: its name in :data:`optical.collections.formats.FORMATS`.
        languages: codes of the languages beside English.
        use: options that read it, for the folder that its files are in, written ``FOLDER``.
        files: what to fetch; empty if ``ir_datasets`` fetches it when it is first read.
        licence: of this set, where it is not that of the format.
        direction: of this set, where it is not that of the format.
        citation: of this set, where it is not that of the format.
    """

    name: str
    format: str
    languages: str
    use: str
    files: tuple[RemoteFile, ...] = ()
    licence: str = ""
    direction: str = ""
    citation: str = ""

    def __post_init__(self) -> None:
        description = FORMATS[self.format].description
        for field in ("licence", "direction", "citation"):
            object.__setattr__(self, field, getattr(self, field) or getattr(description, field))


def _squad() -> KnownCollection:
    digests = {
        "train": ("3527663986b8295af4f7fcdff1ba1ff3f72d07d61a20f487cb238a6ef92fd955", 30288272),
        "dev": ("95aa6a52d5d6a735563366753ca50492a658031da74f301ac5238b03966972c9", 4854279),
    }
    files = tuple(
        RemoteFile(
            f"{split}-v1.1.json",
            f"https://rajpurkar.github.io/SQuAD-explorer/dataset/{split}-v1.1.json",
            sha256=digest,
            bytes=size,
        )
        for split, (digest, size) in digests.items()
    )
    return KnownCollection(
        "squad",
        "squad",
        "",
        "all three: FOLDER/train-v1.1.json",
        files,
        direction="English on both sides",
        citation="Rajpurkar et al. 2016, arXiv 1606.05250",
    )


def _xquad(name: str, format: str, address: str, languages: str) -> KnownCollection:
    """Describe XQuAD (its README lists the files) or XQuAD-R (that of LAReQA)."""
    names = [(code, address.rpartition("/")[2].format(code)) for code in ("en", *languages.split())]
    return KnownCollection(
        name,
        format,
        languages,
        f"--passages and --qrels FOLDER/{names[0][1]} --queries FOLDER/{names[3][1]}",
        tuple(RemoteFile(file, address.format(code)) for code, file in names),
        direction="queries in any of the languages, passages in any other",
        licence="CC BY-SA 4.0",
        citation={"squad": "Artetxe et al. 2020, arXiv 1910.11856"}.get(format, ""),
    )


_AFRIQA = {
    "bem": "train dev test",
    "hau": "train dev test",
    "ibo": "train dev test",
    "kin": "train dev test",
    "swa": "test",
    "twi": "train dev test",
    "yor": "train test",
    "zul": "train dev test",
}


def _afriqa(code: str, splits: str) -> KnownCollection:
    names = [f"gold_span_passages.afriqa.{code}.en.{split}.json" for split in splits.split()]
    address = f"{_GITHUB}/masakhane-io/afriqa/main/data/gold_passages/{code}"
    return KnownCollection(
        f"afriqa-{code}",
        "afriqa",
        code,
        f"all three: FOLDER/{names[-1]} (English translations of the queries: ...#en)",
        tuple(RemoteFile(name, f"{address}/{name}") for name in names),
        direction="foreign queries, English passages",
    )


def _ciral(code: str, language: str) -> KnownCollection:
    topics = [f"topics.ciral-v1.0-{code}-{split}.tsv" for split in ("dev", "test-a", "test-b")]
    qrels = [name.replace("topics", "qrels") for name in topics]
    passages = f"{language}_passages.jsonl"
    files = [
        RemoteFile(passages, f"{_HUB}/CIRAL/ciral-corpus/resolve/main/passages-v1.0/{passages}"),
        *(
            RemoteFile(name, f"{_HUB}/CIRAL/ciral/resolve/main/ciral-{language}/topics/{name}")
            for name in topics
        ),
        *(
            RemoteFile(name, f"{_HUB}/CIRAL/ciral/resolve/main/ciral-{language}/qrels/{name}")
            for name in qrels
        ),
    ]
    use = f"--passages FOLDER/{passages} --queries FOLDER/{topics[1]} --qrels FOLDER/{qrels[1]}"
    return KnownCollection(
        f"ciral-{code}", "ciral", code, use, tuple(files), direction="English queries, foreign passages"
    )


_AFRICLIRMATRIX = {
    "afr": "afrikaans",
    "amh": "amharic",
    "ary": "moroccan_arabic",
    "arz": "egyptian_arabic",
    "hau": "hausa",
    "ibo": "igbo",
    "nso": "northern_sotho",
    "sna": "shona",
    "som": "somali",
    "swa": "swahili",
    "tir": "tigrinya",
    "twi": "twi",
    "wol": "wolof",
    "yor": "yoruba",
    "zul": "zulu",
}


def _africlirmatrix(code: str, language: str) -> KnownCollection:
    topics, qrels = f"topics.africlirmatrix-v1.0.en.{code}.tsv", f"qrels.africlirmatrix-v1.0.en.{code}.txt"
    files = (
        RemoteFile(
            "corpus.jsonl",
            f"{_HUB}/castorini/africlirmatrix/resolve/main/africlirmatrix-v1.0-{language}/corpus.jsonl",
        ),
        RemoteFile(topics, f"{_GITHUB}/castorini/africlirmatrix/main/test/queries/{topics}"),
        RemoteFile(qrels, f"{_GITHUB}/castorini/africlirmatrix/main/test/qrels/{qrels}"),
    )
    use = f"--passages FOLDER/corpus.jsonl --queries FOLDER/{topics} --qrels FOLDER/{qrels}"
    return KnownCollection(f"africlirmatrix-{code}", "africlirmatrix", code, use, files)


_BEIR = {
    "trec-covid": ("ce62140cb23feb9becf6270d0d1fe6d1", 73876720),
    "nfcorpus": ("a89dba18a62ef92f7d323ec890a0d38d", 2448432),
    "nq": ("d4d3d2e48787a744b6f6e691ff534307", 498307926),
    "hotpotqa": ("f412724f78b0d91183a0e86805e16114", 654025350),
    "fiqa": ("17918ed23cd04fb15047f73e6c3bd9d9", 17948027),
    "arguana": ("8ad3e3c2a5867cdced806d6503f29b99", 3773617),
    "quora": ("18fb154900ba42a600f84b839c173167", 15853968),
    "dbpedia-entity": ("c2a39eb420a3164af735795df012ac2c", 639285131),
    "scidocs": ("38121350fc3a4d2f48850f6aff52e4a9", 142471588),
    "fever": ("5a818580227bfb4b35bb6fa46d9b6c03", 1236988269),
    "climate-fever": ("8b66f0a9126c521bae2bde127b4dc99d", 1228666652),
    "scifact": ("5f7d1de60b170fc8027bb7898e2efca1", 2816079),
    "msmarco": ("444067daf65d982533ea17ebd59501e4", 1082258632),
}


def _beir(name: str, md5: str, size: int) -> KnownCollection:
    address = f"https://public.ukp.informatik.tu-darmstadt.de/thakur/BEIR/datasets/{name}.zip"
    return KnownCollection(
        f"beir-{name}",
        "beir",
        "",
        f"all three: FOLDER/{name}",
        (RemoteFile(f"{name}.zip", address, md5=md5, bytes=size),),
        direction="English on both sides",
    )


_IR_DATASETS = {
    "msmarco-passage/train/triples-small": (
        "",
        "English on both sides, with triples to train on",
        "non-commercial research (MS MARCO's terms)",
    ),
    "mmarco/v2/{language}/train": (
        "ar de dt es fr hi id it ja pt ru vi zh",
        "foreign queries (machine-translated), passages with the ids of MS MARCO's English ones, with triples",
        "Apache-2.0 for the translations, MS MARCO's terms for the rest",
    ),
    "neuclir/1/{language}/trec-2022": ("fa ru zh", "English queries, foreign passages", ""),
    "clirmatrix/en/bi139-base/{language}/train": ("138 languages", "foreign queries, English passages", ""),
    "miracl/{language}/dev": (
        "ar bn de en es fa fi fr hi id ja ko ru sw te th yo zh",
        "queries and passages in the same foreign language",
        "Apache-2.0",
    ),
}

KNOWN: dict[str, KnownCollection] = {
    known.name: known
    for known in (
        _squad(),
        _xquad(
            "xquad",
            "squad",
            f"{_GITHUB}/google-deepmind/xquad/master/xquad.{{}}.json",
            "ar de el es hi ro ru th tr vi zh",
        ),
        _xquad(
            "xquad-r",
            "xquad-r",
            f"{_GITHUB}/google-research-datasets/lareqa/master/xquad-r/{{}}.json",
            "ar de el es hi ru th tr vi zh",
        ),
        KnownCollection(
            "mkqa",
            "mkqa",
            "ar da de es fi fr he hu it ja km ko ms nl no pl pt ru sv th tr vi zh_cn zh_hk zh_tw",
            "--queries FOLDER/mkqa.jsonl.gz#LANGUAGE",
            (RemoteFile("mkqa.jsonl.gz", "https://github.com/apple/ml-mkqa/raw/main/dataset/mkqa.jsonl.gz"),),
            direction="foreign and English queries, no passages",
        ),
        *(_afriqa(code, splits) for code, splits in _AFRIQA.items()),
        *(
            _ciral(code, language)
            for code, language in (("ha", "hausa"), ("so", "somali"), ("sw", "swahili"), ("yo", "yoruba"))
        ),
        *(_africlirmatrix(code, language) for code, language in _AFRICLIRMATRIX.items()),
        *(_beir(name, md5, size) for name, (md5, size) in _BEIR.items()),
        *(
            KnownCollection(
                f"ir_datasets:{name}",
                "ir_datasets",
                languages,
                f"all three: ir_datasets:{name}",
                licence=licence,
                direction=direction,
            )
            for name, (languages, direction, licence) in _IR_DATASETS.items()
        ),
    )
}
"""Name -> known collection."""
