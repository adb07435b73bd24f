"""The service's HTTP interface."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from optical import __version__
from optical.serving.access import Gate, Keys, problem
from optical.serving.answers import RefusedError, UnavailableError
from optical.serving.observation import Observation
from optical.serving.page import add_page
from optical.serving.schemas import (
    LARGEST_K_EXPLAINED,
    EncodeAnswer,
    EncodeRequest,
    ExamplesAnswer,
    IndexAnswer,
    LanguagesAnswer,
    Problem,
    SearchAnswer,
    SearchRequest,
    Status,
    language_answer,
    search_answer,
)
from optical.serving.search import SearchService
from optical.serving.settings import Settings

Result = TypeVar("Result")

_NOT_READY = "The index cannot be reached now."
_RESPONSES: dict[int, dict[str, Any]] = {
    400: {"model": Problem, "description": "No JSON, or a host name that is not served"},
    401: {"model": Problem, "description": "No API key, or a wrong one"},
    408: {"model": Problem, "description": "The body did not arrive in time"},
    413: {"model": Problem, "description": "The body is too large"},
    422: {"model": Problem, "description": "The request is wrong; the message says what about it"},
    429: {"model": Problem, "description": "Too many requests; Retry-After says when to ask again"},
    503: {"model": Problem, "description": "The index cannot be reached, or the service is busy"},
}


def create_application(
    service: SearchService,
    settings: Settings,
    keys: Keys,
    examples: Mapping[str, Sequence[str]] | None = None,
) -> FastAPI:
    """Return the ASGI application. It closes ``service`` at its shutdown.

    Args:
        service: what answers.
        settings: limits.
        keys: if there are any, one of them is required for all but the page, ``/healthz`` and ``/readyz``.
        examples: questions by language that the page offers to whoever has none yet.
    """

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(service.watch())
        try:
            yield
        finally:
            watching.cancel()
            try:
                with suppress(asyncio.CancelledError):
                    await watching
            finally:
                service.close()

    # It repeats the beginning of what is too long, as each explanation of a long passage would.
    logging.getLogger("optical.encoders.tokens").setLevel(logging.ERROR)
    # The usual pages of documentation load scripts from elsewhere.
    application = FastAPI(
        title="OPTICAL",
        summary="Search English passages in other languages.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    _explain_errors(application)
    _add_routes(application, service, settings, keys, examples or {})
    add_page(application)
    # The last stands outermost.
    application.add_middleware(Gate, settings=settings, keys=keys)
    if settings.origins:
        application.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    application.add_middleware(Observation, metrics=service.metrics)
    return application


def _add_routes(
    application: FastAPI,
    service: SearchService,
    settings: Settings,
    keys: Keys,
    examples: Mapping[str, Sequence[str]],
) -> None:
    # Gate has checked the key; this only describes it.
    security = [Security(HTTPBearer(auto_error=False))] if len(keys) else []
    shared: dict[str, Any] = {"responses": _RESPONSES, "dependencies": security}

    async def within_time(answer: Awaitable[Result]) -> Result:
        try:
            return await asyncio.wait_for(answer, settings.timeout)
        except asyncio.TimeoutError as error:
            raise HTTPException(503, f"This took longer than {settings.timeout:g} seconds.") from error

    @application.post("/search", **shared)
    async def search(body: SearchRequest, request: Request) -> SearchAnswer:
        """Search in a language, or in the one that the query is told to be in."""
        facts = request.scope["facts"]
        if settings.log_queries:
            facts["query"] = body.text
        if body.explain and body.k > LARGEST_K_EXPLAINED:
            raise RefusedError(f"k is {body.k}, but with explain it can be {LARGEST_K_EXPLAINED} at most.")
        answer = await within_time(
            service.search(
                body.text,
                body.lang,
                body.k,
                filter=body.filter,
                explained=body.explain,
                hybrid=body.hybrid,
            )
        )
        facts["languages"] = answer.decision.languages
        facts["hits"] = len(answer.found)
        return search_answer(answer)

    @application.post("/encode", **shared)
    async def encode(body: EncodeRequest, request: Request) -> EncodeAnswer:
        """Return the token vectors of a query, to search elsewhere with."""
        facts = request.scope["facts"]
        if settings.log_queries:
            facts["query"] = body.text
        decision, vectors = await within_time(service.encode(body.text, body.lang))
        facts["languages"] = decision.languages[:1]
        return EncodeAnswer(language=language_answer(decision), vectors=vectors.tolist())

    readable = {**shared, "responses": {status: _RESPONSES[status] for status in (400, 401, 429, 503)}}

    @application.get("/languages", **readable)
    async def languages() -> LanguagesAnswer:
        """List the loaded languages."""
        return LanguagesAnswer(
            languages=service.languages,
            hybrid=service.hybrid_languages,
            identifier=service.routing.method,
        )

    @application.get("/index", **readable)
    async def index() -> IndexAnswer:
        """Tell how many passages there are, and what their metadata are."""
        return IndexAnswer(passages=service.passages, fields=dict(service.fields))

    @application.get("/examples", **readable)
    async def example_questions() -> ExamplesAnswer:
        """Give some questions to begin with."""
        return ExamplesAnswer(examples={language: list(texts) for language, texts in examples.items()})

    @application.get("/healthz", responses={400: _RESPONSES[400]})
    async def alive() -> Status:
        """Tell that the process is alive."""
        return Status(status="alive")

    @application.get("/readyz", responses={status: _RESPONSES[status] for status in (400, 503)})
    async def ready() -> Status:
        """Tell whether searches can be answered."""
        if not service.ready:
            raise UnavailableError(_NOT_READY)
        return Status(status="ready")

    @application.get("/metrics", response_class=Response, **readable)
    async def metrics() -> Response:
        """Return counts for Prometheus."""
        return Response(service.metrics.text(ready=service.ready), media_type="text/plain; version=0.0.4")


def _explain_errors(application: FastAPI) -> None:
    """Answer everything that goes wrong with a status and one sentence."""

    @application.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), error.headers)

    @application.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part)[:40] for part in first["loc"][1:] if first["type"] != "json_invalid")
        return problem(422, f"{place}: {first['msg']}." if place else f"{first['msg']}.")

    @application.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError) -> Response:
        return problem(422, str(error))

    @application.exception_handler(UnavailableError)
    async def unavailable(request: Request, error: UnavailableError) -> Response:
        return problem(503, str(error), {"Retry-After": "2"})

    @application.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return problem(500, "Something went wrong in the service. Its log says what.")
