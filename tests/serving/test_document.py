"""The OpenAPI document tells the truth: schemathesis asks what it allows, and what it does not."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

load_all_checks()
# A query may be refused for what a schema cannot say: an unknown language, a filter that is none.
LENIENT = CHECKS.get_by_names(["positive_data_acceptance"])
BOUNDED = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("path", ["/search", "/encode"])
def test_answers_are_as_documented(live: str, path: str, mode: GenerationMode) -> None:
    operation = schemathesis.openapi.from_url(f"{live}/openapi.json")[path]["POST"]

    @BOUNDED
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(excluded_checks=LENIENT, timeout=30)

    ask()


@pytest.mark.parametrize("path", ["/languages", "/index", "/examples", "/healthz", "/readyz", "/metrics"])
def test_what_has_no_body_is_answered_as_documented(live: str, path: str) -> None:
    schemathesis.openapi.from_url(f"{live}/openapi.json")[path]["GET"].Case().call_and_validate(timeout=30)
