"""``optical index``: make an English passage collection searchable, and look after it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optical.cli.groups import group
from optical.cli.options import Encoder, IndexPlace, NewIndex
from optical.errors import OpticalError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from optical.collections import Passage
    from optical.index.parallel import Workers

Passages = Annotated[
    str,
    typer.Option(
        help="TSV (id, text or id, title, text), jsonl, BEIR folder, TREC, XQuAD, ir_datasets:ID ...; plain or .gz."
    ),
]
Processes = Annotated[
    int | None, typer.Option("--workers", help="Processes that encode; by default this one does.")
]
Ray = Annotated[
    str | None,
    typer.Option(
        help="Ray cluster that encodes: host:6379 on one of its machines, ray://host:10001 elsewhere."
    ),
]

app = group("build", "Build an index of English passages (`optical index --encoder ...`), and look after it.")


def build(
    encoder: Encoder,
    passages: Passages,
    output: NewIndex,
    compact: Annotated[
        bool, typer.Option("--compact", help="Half the space on disk, and scores that are slightly off.")
    ] = False,
    lexical: Annotated[
        bool,
        typer.Option("--lexical", help="Store the words of passages, too, for `optical search --hybrid`."),
    ] = False,
    workers: Processes = None,
    ray: Ray = None,
) -> None:
    """Build an index of English passages; every encoder distilled from the same teacher can search it.

    If it is stopped, the same command goes on from there.
    """
    from optical.cli.terminal import quiet, say
    from optical.encoders import load_encoder
    from optical.index import Index

    quiet()
    Index.require_new(output)
    chosen = _workers(encoder, workers, ray)
    loaded = load_encoder(encoder)
    with Index.create(
        output,
        loaded,
        _collection(passages),
        compact=compact,
        lexical=lexical,
        workers=chosen,
        progress=True,
    ) as built:
        say(f"Indexed {built.count} passages in {output}.")


def add(
    index: IndexPlace, encoder: Encoder, passages: Passages, workers: Processes = None, ray: Ray = None
) -> None:
    """Add passages to an index; one whose id is there already replaces the old one."""
    from optical.cli.terminal import quiet, say
    from optical.encoders import load_encoder
    from optical.index import Index

    quiet()
    chosen = _workers(encoder, workers, ray)
    with Index.open(index) as opened:
        loaded = load_encoder(encoder)
        opened.add(_collection(passages), loaded, workers=chosen, progress=True)
        say(f"{index} holds {opened.count} passages.")


def optimise(index: IndexPlace) -> None:
    """Make searches of an index fast that has grown: train its centroids anew."""
    from optical.cli.terminal import quiet, say
    from optical.index import Index

    quiet()
    with Index.open(index) as opened:
        opened.optimise(progress=True)
        info = opened.info
        say(f"{index} has {info['centroids']} centroids for {info['passages']} passages.")


def info(index: IndexPlace) -> None:
    """Show what an index holds, and whether to optimise it."""
    from optical.cli.terminal import quiet, say
    from optical.index import Index

    quiet()
    with Index.open(index) as opened:
        facts = opened.info
    fields = ", ".join(f"{name} ({kind})" for name, kind in sorted(facts["fields"].items()))
    say(f"passages       {facts['passages']:,}")
    say(f"token vectors  {facts['token_vectors']:,} of {facts['dimension']} dimensions")
    say(f"compact        {'yes' if facts['compact'] else 'no'}")
    say(f"lexical        {'yes' if facts['lexical'] else 'no'}")
    if facts["bytes"] is not None:
        say(f"on disk        {facts['bytes'] / 2**20:,.0f} MB")
    say(f"metadata       {fields or 'none'}")
    say(f"centroids      {facts['centroids']:,}")
    say(f"teacher        {facts['teacher']}")
    say(f"made           {facts['created']} by optical {facts['versions']['optical']}")
    if facts["optimise_is_due"]:
        say(f"Searches would be faster after: optical index optimise {index}")


def push(
    index: Annotated[str, typer.Argument(help="Folder made by `optical index`.")],
    address: Annotated[
        str, typer.Argument(help="qdrant://HOST:6333/COLLECTION, with ?shards=6&replicas=2 if need be; new.")
    ],
) -> None:
    """Copy an index to a Qdrant server or cluster, without encoding anything.

    If it is stopped, the same command goes on from there.
    """
    _copy(index, address)


def pull(
    address: Annotated[str, typer.Argument(help="qdrant://HOST:6333/COLLECTION.")],
    output: Annotated[str, typer.Argument(help="Folder to make; must not exist.")],
) -> None:
    """Copy an index from a Qdrant server or cluster into a folder, without encoding anything.

    If it is stopped, the same command goes on from there.
    """
    _copy(address, output)


class _Counted:
    """A collection that is read once to count it: progress can tell the time left, and no bad line comes as a surprise
    after hours."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._number = sum(1 for _ in self)

    def __len__(self) -> int:
        return self._number

    def __iter__(self) -> "Iterator[Passage]":
        from optical.collections import read_passages

        return iter(read_passages(self._source))


def _collection(source: str) -> "Iterable[Passage]":
    from optical.collections import read_passages

    # The name of a format may stand before a path.
    paths = [Path(source), Path(source.partition(":")[2])]
    # What comes through a pipe can be read only once.
    is_pipe = any(path.exists() and not (path.is_file() or path.is_dir()) for path in paths)
    return read_passages(source) if is_pipe else _Counted(source)


def _copy(source: str, target: str) -> None:
    from optical.cli.terminal import quiet, say
    from optical.index import Index

    quiet()
    Index.require_new(target)
    with Index.open(source) as opened:
        opened.copy_to(target, progress=True)
        say(f"Copied {opened.count} passages to {target}.")


def _workers(encoder: str, number: int | None, ray: str | None) -> "Workers | None":
    from optical.index import LocalWorkers, RayWorkers

    if number is not None and ray is not None:
        raise OpticalError("--workers and --ray were both given. Choose one of them to encode the passages.")
    if ray is not None:
        return RayWorkers(encoder, ray)
    return None if number is None else LocalWorkers(encoder, number)
