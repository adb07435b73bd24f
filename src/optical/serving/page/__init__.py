"""The page at ``/``: static files as they are served, without a build chain."""

from importlib.resources import files

from fastapi import FastAPI, Response
from starlette.exceptions import HTTPException

# These files are served and no others, whatever path is asked for.
_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "colours.css": "text/css; charset=utf-8",
    "results.css": "text/css; charset=utf-8",
    "scripts.css": "text/css; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "results.js": "text/javascript; charset=utf-8",
    "service.js": "text/javascript; charset=utf-8",
    "text.js": "text/javascript; charset=utf-8",
    "strings.json": "application/json",
    "icon.svg": "image/svg+xml",
}
_HEADERS = {
    # Only the page's own files and the service's answers; and no text ever becomes markup.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def add_page(application: FastAPI) -> None:
    """Serve the page at ``/``, and what it is made of below ``/page/``."""
    folder = files(__name__)
    contents = {name: (folder / name).read_bytes() for name in _TYPES}

    @application.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def page() -> Response:
        return answer("index.html")

    @application.api_route("/page/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    async def part(name: str) -> Response:
        if name not in contents:
            raise HTTPException(404)
        return answer(name)

    def answer(name: str) -> Response:
        return Response(contents[name], media_type=_TYPES[name], headers=_HEADERS)
