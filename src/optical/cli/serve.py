"""``optical serve``: search over HTTP; ``optical key``: who may."""

import contextlib
import logging
import re
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

_SAMPLE = "sample"
_EXAMPLES = 3
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]+)*")


def serve(
    index: Annotated[
        str, typer.Option(help="Folder made by `optical index`, or qdrant://HOST:6333/COLLECTION.")
    ],
    encoder: Annotated[
        list[str] | None,
        typer.Option(help="LANGUAGE=ENCODER, as sw=sw-encoder: a folder, or a Hub id. Repeatable."),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="The English encoder, for queries in English: the same as --encoder en=..."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen at; 0 takes one that is free.", min=0, max=65_535)
    ] = 8000,
    keys: Annotated[
        Path | None,
        typer.Option(
            help="File of API keys, a line of `optical key` each; the environment variable OPTICAL_KEYS may hold "
            "some, too. Needed if other machines can reach the host."
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option(help="Requests a second for each key (without keys: for each address).", min=0.01)
    ] = 100.0,
    concurrency: Annotated[int, typer.Option(help="Requests at a time, for all.", min=1)] = 256,
    timeout: Annotated[float, typer.Option(help="Seconds for a request.", min=0.1)] = 30.0,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="Web page whose scripts may ask, as https://example.org (CORS). Repeatable."),
    ] = None,
    examples: Annotated[
        list[str] | None,
        typer.Option(
            help="LANGUAGE=FILE of queries, the first three of which the page offers to begin with; or sample, for "
            "those of the bundled sample. Repeatable."
        ),
    ] = None,
    log_queries: Annotated[bool, typer.Option("--log-queries", help="Log the text of queries, too.")] = False,
) -> None:
    """Search an index over HTTP, in the languages of the encoders.

    SIGHUP loads the encoders anew; SIGTERM ends it when the requests at work have their answers.
    """
    from optical.cli.terminal import say
    from optical.errors import OpticalError
    from optical.packages import require_package

    sources = _sources(encoder or [], teacher)
    for package in ("fastapi", "uvicorn", "prometheus_client", "py3langid"):
        require_package(package, extra="serve")

    from optical.serving import Keys, SearchService, Settings, create_application
    from optical.serving.server import bind, hold_reloads, is_local, listen, run

    questions = _questions(examples or [], list(sources))
    _log()
    known = Keys.read(keys)
    if not len(known) and not is_local(host):
        raise OpticalError(
            f"Other machines can reach {host}, and there are no API keys. Make one with `optical key NAME`, and give "
            "--keys FILE or OPTICAL_KEYS."
        )
    settings = Settings(
        rate=rate,
        concurrency=concurrency,
        timeout=timeout,
        origins=tuple(origin or ()),
        log_queries=log_queries,
    )
    listener = bind(host, port)
    with listener:
        hold_reloads()
        service = SearchService(index, sources)
        try:
            listen(listener)
        except OpticalError:
            service.close()
            raise
        application = create_application(service, settings, known, questions)
        address = f"[{host}]" if ":" in host else host
        say(
            f"Serving {service.passages} passages in {', '.join(service.languages)} at "
            f"http://{address}:{listener.getsockname()[1]}"
        )
        sys.stdout.flush()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the server answers first, and then dies of it
        with contextlib.suppress(KeyboardInterrupt):  # the way to end it
            run(application, service, listener, settings)


def key(
    name: Annotated[str, typer.Argument(help="Whose key it is: a name for the log, as website.")],
) -> None:
    """Make an API key for `optical serve`, and the line by which the service knows it."""
    from optical.cli.terminal import say
    from optical.packages import require_package

    require_package("fastapi", extra="serve")

    from optical.serving.access import new_key

    secret, entry = new_key(name)
    say(
        f"The key, for {name} only; it is shown this once:\n{secret}\n\nA line for the file of --keys:\n{entry}"
    )


def _sources(encoders: list[str], teacher: str | None) -> dict[str, str]:
    from optical.errors import OpticalError

    sources: dict[str, str] = {}
    for given in [*encoders, *([] if teacher is None else [f"en={teacher}"])]:
        language, _, source = given.partition("=")
        if not _LANGUAGE.fullmatch(language) or not source:
            raise OpticalError(f"{given!r} is not LANGUAGE=ENCODER. Write it as in: --encoder sw=sw-encoder")
        if language in sources:
            raise OpticalError(f"There are two encoders for {language}. Give one for each language.")
        sources[language] = source
    if not sources:
        raise OpticalError("There is no encoder to serve. Give one, as in: --encoder sw=sw-encoder")
    return sources


def _questions(examples: list[str], languages: list[str]) -> dict[str, list[str]]:
    from optical.collections import read_queries
    from optical.errors import OpticalError
    from optical.samples import languages as sampled
    from optical.samples import sample

    questions: dict[str, list[str]] = {}
    for given in examples:
        language, _, source = given.partition("=")
        if given == _SAMPLE:
            chosen = {each: sample(f"queries.{each}.tsv") for each in languages if each in sampled()}
        elif source and language in languages:
            chosen = {language: Path(source)}
        else:
            raise OpticalError(
                f"{given!r} is neither {_SAMPLE} nor LANGUAGE=FILE with a language of --encoder "
                f"({', '.join(languages)}). Write it as in: --examples sw=queries.tsv"
            )
        for each, path in chosen.items():
            questions[each] = list(read_queries(path).values())[:_EXAMPLES]
    return questions


def _log() -> None:
    """Write this package's log and the server's to standard error, one JSON object a line."""
    from optical.cli.terminal import quiet
    from optical.serving.observation import JsonLines

    quiet()
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    for name in ("optical", "uvicorn", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.INFO)
