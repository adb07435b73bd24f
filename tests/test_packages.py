import pytest

from optical.errors import OpticalError
from optical.packages import require_package


def test_a_package_that_is_there() -> None:
    require_package("json", extra="wikiclir")


def test_a_package_that_is_not() -> None:
    with pytest.raises(OpticalError, match=r"no_such_package\. .* pip install 'optical\[wikiclir\]'"):
        require_package("no_such_package", extra="wikiclir")
