"""The OpenAPI document tells the truth: schemathesis asks what it allows and what it does not."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks

load_all_checks()
# A query may be refused for what a schema cannot say: an unknown language, a filter that is none.
LENIENT = CHECKS.get_by_names(["positive_data_acceptance"])


@pytest.fixture
def document(live: str) -> Any:
    return schemathesis.openapi.from_url(f"{live}/openapi.json")


SCHEMA = schemathesis.pytest.from_fixture("document")


@SCHEMA.parametrize()
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_documented(case: schemathesis.Case) -> None:
    case.call_and_validate(excluded_checks=LENIENT, timeout=30)
