"""Packages that only some parts need."""

import importlib.util

from optical.errors import OpticalError


def require_package(package: str, extra: str) -> None:
    """Raise :class:`OpticalError`, which names the optional dependency ``extra``, unless ``package`` is installed."""
    if importlib.util.find_spec(package) is None:
        raise OpticalError(
            f"This needs the package {package}. Install it with: pip install 'optical[{extra}]'"
        )
