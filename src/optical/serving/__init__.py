"""The index and its encoders as a service over HTTP."""

from optical.serving.access import Keys, new_key
from optical.serving.answers import Answer, Found, RefusedError, UnavailableError
from optical.serving.application import create_application
from optical.serving.search import SearchService
from optical.serving.settings import Settings

__all__ = [
    "Answer",
    "Found",
    "Keys",
    "RefusedError",
    "SearchService",
    "Settings",
    "UnavailableError",
    "create_application",
    "new_key",
]
