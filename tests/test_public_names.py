"""The names that others rely on."""

import subprocess
import sys

import pytest

import optical


def test_names() -> None:
    import optical.distillation
    import optical.evaluation
    import optical.index
    from optical.objectives import OptimalTransportLoss
    from optical.transport import solve

    assert optical.distill is optical.distillation.distill
    assert optical.Index is optical.index.Index
    assert optical.evaluate is optical.evaluation.evaluate
    assert callable(solve)
    assert isinstance(OptimalTransportLoss, type)
    assert all(hasattr(optical, name) for name in optical.__all__)


def test_a_plain_import_is_light() -> None:
    program = "import sys, optical; print('heavy:', {'torch', 'numpy', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "heavy: set()\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = optical.nonsense
    with pytest.raises(ImportError, match="nonsense"):
        from optical import nonsense  # noqa: F401
