"""The fused kernel, in Triton's interpreter on a CPU and, where there is one, on a GPU."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from optical.transport import Unbalanced, solve
from optical.transport.fused import solve_fused, suits
from optical.transport.relaxation import BALANCED
from optical.transport.schedule import Schedule, ScheduleName
from optical.transport.sinkhorn import Solution

from .pairs import WIDTH, first, partly_matched, real, textbook_plan

pytest.importorskip("triton", reason="the fused kernel needs Triton")

SolveFused = Callable[..., tuple[Solution, torch.Tensor, torch.Tensor]]


@pytest.fixture(scope="module", params=["interpreter", "gpu"])
def fused(request: pytest.FixtureRequest) -> Iterator[SolveFused]:
    """`solve_fused` for tensors on the CPU, wherever it runs.

    Triton decides when it is imported whether it interprets, and by now PyTorch has imported it. So its interpreter
    runs in a process of its own.
    """
    if request.param == "gpu":
        if not torch.cuda.is_available():
            pytest.skip("the compiled kernel needs a GPU")
        yield _solve_on_gpu
        return
    with ProcessPoolExecutor(1, get_context("spawn")) as process, pytest.MonkeyPatch.context() as environment:
        environment.setenv("TRITON_INTERPRET", "1")
        # Products this small lose many times their duration to threads waiting for one another.
        for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            environment.setenv(threads, "1")
        process.submit(os.getpid).result()
        yield lambda *given, **flags: process.submit(solve_fused, *given, **flags).result()


def _solve_on_gpu(
    x: torch.Tensor, y: torch.Tensor, a: torch.Tensor, b: torch.Tensor, *rest: Any, **flags: Any
) -> Any:
    solution, *gradients = solve_fused(x.cuda(), y.cuda(), a.cuda(), b.cuda(), *rest, **flags)
    return Solution(*(tensor.cpu() for tensor in solution)), *(gradient.cpu() for gradient in gradients)


class Batch(NamedTuple):
    """Sentence pairs as `solve` takes them."""

    x: torch.Tensor
    y: torch.Tensor
    x_mask: torch.Tensor
    y_mask: torch.Tensor
    a: torch.Tensor | None = None
    b: torch.Tensor | None = None

    @classmethod
    def full(cls, x: torch.Tensor, y: torch.Tensor) -> "Batch":
        return cls(x, y, real(*x.shape[:2]), real(*y.shape[:2]))

    def prepared(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """x, y, a, b as the kernel wants them."""
        return (
            torch.where(self.x_mask[:, :, None], self.x, 0),
            torch.where(self.y_mask[:, :, None], self.y, 0),
            _marginal(self.a, self.x_mask).float(),
            _marginal(self.b, self.y_mask).float(),
        )


def _marginal(weights: torch.Tensor | None, mask: torch.Tensor) -> torch.Tensor:
    mass = mask.double() if weights is None else torch.where(mask, weights.double(), 0)
    return mass / mass.sum(1, keepdim=True)


def solved(
    fused: SolveFused,
    batch: Batch,
    eps: float = 0.01,
    iterations: int = 40,
    schedule: ScheduleName = "annealed",
    tolerance: float | None = None,
) -> tuple[Solution, torch.Tensor, torch.Tensor]:
    return fused(
        *batch.prepared(),
        Schedule.named(schedule, eps, iterations),
        tolerance,
        keep_plan=True,
        x_needs_gradient=True,
        y_needs_gradient=True,
    )


def assert_as_solve_does(fused: SolveFused, batch: Batch, most: float = 1e-5, **settings: Any) -> None:
    """Compare all that the kernel returns with what `solve` does in double precision."""
    settings = {"eps": 0.01, "iterations": 40} | settings
    found, x_gradient, y_gradient = solved(fused, batch, **settings)
    x, y = batch.x.double().requires_grad_(), batch.y.double().requires_grad_()
    wanted = solve(x, y, batch.x_mask, batch.y_mask, a=batch.a, b=batch.b, **settings)
    wanted_x_gradient, wanted_y_gradient = torch.autograd.grad(wanted.cost.sum(), (x, y))
    close(found.plan, wanted.plan, most)
    close(found.cost, wanted.cost, most)
    close(found.value, wanted.value, most)
    close(found.row_violation, wanted.row_violation, most)
    assert torch.equal(found.iterations, wanted.iterations)
    # A constant may be moved from one side's potentials to the other's.
    f, g = _centred(found.f, batch.x_mask), _centred(found.g, batch.y_mask)
    close(f, _centred(wanted.f, batch.x_mask), most)
    close(g, _centred(wanted.g, batch.y_mask), most)
    close(x_gradient, wanted_x_gradient, most)
    close(y_gradient, wanted_y_gradient, most)


def _centred(potentials: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    real_ones = potentials.double() * mask
    return (real_ones - real_ones.sum(1, keepdim=True) / mask.sum(1, keepdim=True)) * mask


def close(found: torch.Tensor, wanted: torch.Tensor, most: float) -> None:
    torch.testing.assert_close(found.double(), wanted.detach().double(), atol=most, rtol=0)


@pytest.mark.parametrize(
    ("n", "m", "eps", "iterations", "schedule"),
    [
        (1, 1, 0.01, 5, "annealed"),
        (9, 12, 0.05, 40, "annealed"),
        (20, 28, 0.01, 100, "annealed"),
        (33, 17, 0.002, 100, "annealed"),
        (12, 9, 0.01, 1, "annealed"),
        (12, 9, 0.01, 2, "annealed"),
        (12, 9, 0.01, 3, "annealed"),
        (16, 40, 0.02, 30, "ipot"),
        (14, 12, 0.05, 60, "constant"),
        (14, 12, 0.01, 20, "constant"),
        (128, 128, 0.01, 12, "annealed"),
        (5, 100, 0.01, 20, "annealed"),
    ],
)
def test_the_solution_is_that_of_solve(
    fused: SolveFused, n: int, m: int, eps: float, iterations: int, schedule: ScheduleName
) -> None:
    x, y = partly_matched(2 if n < 128 else 1, n, m)
    assert_as_solve_does(fused, Batch.full(x, y), eps=eps, iterations=iterations, schedule=schedule)


@pytest.mark.parametrize(
    ("eps", "schedule"), [(0.01, "annealed"), (0.002, "annealed"), (0.02, "ipot"), (0.05, "constant")]
)
def test_the_plan_is_that_of_the_textbook(fused: SolveFused, eps: float, schedule: ScheduleName) -> None:
    x, y = partly_matched(2, 11, 18, seed=4)
    generator = torch.Generator().manual_seed(1)
    a, b = torch.rand(2, 11, generator=generator) + 0.1, torch.rand(2, 18, generator=generator) + 0.1
    found, *_ = solved(fused, Batch(x, y, real(2, 11), real(2, 18), a, b), eps, 50, schedule)
    annealing = {"annealed": 40, "ipot": 50, "constant": 1}[schedule]
    close(found.plan, textbook_plan(x, y, eps, 50, annealing, a, b), 1e-5)


def test_padding_is_as_good_as_absent(fused: SolveFused) -> None:
    x, y = partly_matched(3, 13, 19)
    x_mask, y_mask = first([13, 5, 1], 13), first([2, 19, 7], 19)
    batch = Batch(
        x.masked_fill(~x_mask[:, :, None], torch.nan),
        y.masked_fill(~y_mask[:, :, None], torch.inf),
        x_mask,
        y_mask,
    )
    found, x_gradient, y_gradient = solved(fused, batch)
    for tensor in (*found, x_gradient, y_gradient):
        assert tensor.isfinite().all()
    assert (found.plan[~x_mask] == 0).all()
    assert (found.plan.mT[~y_mask] == 0).all()
    assert (x_gradient[~x_mask] == 0).all()
    assert (y_gradient[~y_mask] == 0).all()
    for pair, (n, m) in enumerate([(13, 2), (5, 19), (1, 7)]):
        alone, *_ = solved(fused, Batch.full(x[pair : pair + 1, :n], y[pair : pair + 1, :m]))
        close(found.plan[pair, :n, :m], alone.plan[0], 1e-6)
        close(found.cost[pair], alone.cost[0], 1e-6)


def test_a_token_without_weight_is_as_good_as_absent(fused: SolveFused) -> None:
    x, y = partly_matched(2, 10, 12)
    a, b = torch.ones(2, 10), torch.ones(2, 12)
    a[:, 7:], b[:, 0] = 0, 0
    assert_as_solve_does(fused, Batch(x, y, real(2, 10), real(2, 12), a, b))
    without, *_ = solved(fused, Batch.full(x[:, :7], y[:, 1:]))
    found, *_ = solved(fused, Batch(x, y, real(2, 10), real(2, 12), a, b))
    close(found.plan[:, :7, 1:], without.plan, 1e-6)
    assert found.f.isfinite().all()
    assert found.g.isfinite().all()


def test_weights_of_wild_ratios_are_survived(fused: SolveFused) -> None:
    x, y = partly_matched(2, 6, 6)
    a = torch.tensor([1.0, 1e-38, 1e-30, 1.0, 0.0, 1e-5]).expand(2, 6)
    for eps in (0.05, 0.002):
        found, *_ = solved(fused, Batch(x, y, real(2, 6), real(2, 6), a, a.flip(1)), eps)
        for tensor in found:
            assert tensor.isfinite().all()
        torch.testing.assert_close(found.plan.sum(1), a.flip(1) / a.sum(1, keepdim=True))


def test_a_pair_that_is_not_to_be_solved_does_no_harm(fused: SolveFused) -> None:
    """Its vectors are zeros, and all its mass is on the first token of either side."""
    x, y = partly_matched(3, 6, 8)
    a, b = torch.ones(3, 6), torch.ones(3, 8)
    x[1], y[1], a[1, 1:], b[1, 1:] = 0, 0, 0, 0
    found, *gradients = solved(fused, Batch(x, y, real(3, 6), real(3, 8), a, b))
    for tensor in (*found, *gradients):
        assert tensor.isfinite().all()
    sound, *_ = solved(fused, Batch.full(x[::2], y[::2]))
    assert torch.equal(found.plan[::2], sound.plan)


@pytest.mark.parametrize("eps", [0.05, 0.002])
@pytest.mark.parametrize("schedule", ["annealed", "constant"])
def test_identical_and_antipodal_tokens(fused: SolveFused, eps: float, schedule: ScheduleName) -> None:
    """Costs 2 apart at an eps of 0.002 underflow exp(-C / eps); mass must not be lost for that."""
    token = partly_matched(1, 1, 1)[0].expand(1, 4, WIDTH)
    for y, cost in ((token, 0.0), (-token, 2.0), (torch.cat([token[:, :3], -token[:, :1]], 1), 0.5)):
        found, *_ = solved(fused, Batch.full(token, y), eps, 30, schedule)
        close(found.plan, torch.full((1, 4, 4), 1 / 16), 1e-5)
        close(found.cost, torch.tensor([cost]), 1e-5)


def test_a_very_small_eps_is_survived(fused: SolveFused) -> None:
    x, y = partly_matched(2, 9, 11)
    found, *gradients = solved(fused, Batch.full(x, y), torch.finfo(torch.float32).eps)
    for tensor in (*found, *gradients):
        assert tensor.isfinite().all()
    close(found.plan.sum(1), torch.full((2, 11), 1 / 11), 1e-6)


def test_a_pair_stops_when_it_has_converged(fused: SolveFused) -> None:
    easy, hard = partly_matched(2, 10, 10, noise=0.2), partly_matched(2, 10, 14, noise=2.0)
    x, y = torch.zeros(4, 10, WIDTH), torch.zeros(4, 14, WIDTH)
    x[:2], y[:2, :10] = easy
    x[2:], y[2:] = hard
    batch = Batch(x, y, real(4, 10), first([10, 10, 14, 14], 14))
    assert_as_solve_does(fused, batch, eps=0.02, iterations=90, schedule="constant", tolerance=1e-3)
    found, *_ = solved(fused, batch, 0.02, 90, "constant", tolerance=1e-3)
    assert found.iterations.unique().numel() > 1
    assert found.iterations.min() < 90
    stopped = found.iterations < 90
    assert (found.row_violation[stopped] <= 1e-3).all()


@pytest.mark.parametrize("iterations", [12, 13, 40])
def test_convergence_is_looked_for_when_solve_does(fused: SolveFused, iterations: int) -> None:
    x, y = partly_matched(3, 10, 9)
    assert_as_solve_does(
        fused, Batch.full(x, y), eps=0.2, iterations=iterations, schedule="constant", tolerance=1e-3
    )


def test_a_column_far_below_all_others_does_not_vanish(fused: SolveFused) -> None:
    """Its entries start at 2^-167 of their rows' largest: 0 in single precision, but for the floor."""
    token = partly_matched(1, 1, 1)[0].expand(1, 4, WIDTH)
    y = torch.cat([token[:, :2], -token[:, :1]], 1)
    b = torch.tensor([[1.0, 1.0, 1e-38]])
    found, *_ = solved(fused, Batch(token, y, real(1, 4), real(1, 3), None, b), eps=0.002, iterations=44)
    for tensor in found:
        assert tensor.isfinite().all()
    close(found.plan, torch.tensor([0.125, 0.125, 0.0]).expand(1, 4, 3), 1e-6)


def test_what_is_not_asked_for_is_empty(fused: SolveFused) -> None:
    x, y = partly_matched(2, 5, 7)
    everything, x_gradient, y_gradient = solved(fused, Batch.full(x, y))
    schedule = Schedule.named("annealed", 0.01, 40)
    for flags in ((False, False, True), (False, True, False), (False, False, False)):
        names = ("keep_plan", "x_needs_gradient", "y_needs_gradient")
        found, *gradients = fused(
            *Batch.full(x, y).prepared(), schedule, None, **dict(zip(names, flags, strict=True))
        )
        assert torch.equal(found.cost, everything.cost)
        assert found.plan.numel() == 0
        for wanted, got, full in zip(flags[1:], gradients, (x_gradient, y_gradient), strict=True):
            assert torch.equal(got, full) if wanted else got.numel() == 0


def test_vectors_may_have_any_strides(fused: SolveFused) -> None:
    x, y = partly_matched(2, 5, 7)
    plain, *_ = solved(fused, Batch.full(x, y))
    strided = (vectors.permute(2, 0, 1).contiguous().permute(1, 2, 0) for vectors in (x, y))
    found, *_ = solved(fused, Batch.full(*strided))
    assert torch.equal(found.plan, plain.plan)


def test_vectors_of_any_width_will_do(fused: SolveFused) -> None:
    for width in (3, 32, 70):
        generator = torch.Generator().manual_seed(width)
        x, y = (
            torch.nn.functional.normalize(torch.randn(1, length, width, generator=generator), dim=-1)
            for length in (6, 5)
        )
        assert_as_solve_does(fused, Batch.full(x, y))


def test_no_pairs_at_all(fused: SolveFused) -> None:
    found, *_ = solved(fused, Batch.full(torch.zeros(0, 3, 4), torch.zeros(0, 2, 4)))
    assert found.cost.shape == (0,)
    assert found.plan.shape == (0, 3, 2)


@pytest.mark.skipif("TRITON_INTERPRET" in os.environ, reason="nothing is compiled in Triton's interpreter")
def test_the_compiled_loop_carries_all_that_the_interpreted_one_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The compiler, which needs no GPU, takes some names that change for constants, and the interpreter does not."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from optical.transport.fused_kernel import solve_pair

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    fixed = dict.fromkeys(("block_n", "block_m", "block_width"), 16)
    fixed |= dict.fromkeys(("may_stop", "gentle", "keep_plan", "x_needs_gradient", "y_needs_gradient"), True)
    kinds = dict.fromkeys(solve_pair.arg_names, "*fp32") | dict.fromkeys(("eps", "step", "tolerance"), "fp32")
    kinds |= dict.fromkeys(("n", "m", "width", "iterations", "annealing"), "i32") | {"used_pointer": "*i64"}
    source = ASTSource(solve_pair, kinds | dict.fromkeys(fixed, "constexpr"), constexprs=fixed)
    compiled = triton.compile(
        source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 1, "num_stages": 1}
    )
    assert compiled.asm["cubin"]
    (loop,) = (line for line in compiled.asm["ttir"].splitlines() if "scf.while" in line)
    carried = loop.split("->")[1]
    # f, g and the g before; the number of the iteration and of the last.
    assert carried.count("tensor<16xf32>") == 3
    assert carried.count("i32") == 2


def test_where_triton_does_not_work_torch_does(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Triton needs a C compiler, or here a GPU: without, the first launch fails, and no other is tried."""
    x, y = partly_matched(2, 5, 7)
    wanted = solve(x, y, real(2, 5), real(2, 7))
    monkeypatch.setattr("optical.transport.fused._device_suits", lambda device: True)
    monkeypatch.setattr("optical.transport.fused._failed", [])
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    if torch.cuda.is_available():
        pytest.skip("Triton works here")
    for _ in range(2):
        found = solve(x, y, real(2, 5), real(2, 7))
        torch.testing.assert_close(found.plan, wanted.plan)
    assert [record.message.split(" (")[0] for record in caplog.records] == ["Triton does not work here"]
    assert not suits(x, y, BALANCED)


def test_what_suits_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = torch.zeros(2, 128, 8), torch.zeros(2, 100, 8)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert not suits(x, y, BALANCED)
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert suits(x, y, BALANCED)
    assert not suits(x.half(), y.half(), BALANCED)
    assert not suits(x.double(), y.double(), BALANCED)
    assert not suits(torch.zeros(2, 129, 8), y, BALANCED)
    assert not suits(x, torch.zeros(2, 129, 8), BALANCED)
    assert not suits(x, y, Unbalanced())
    assert not suits(x.to("meta"), y.to("meta"), BALANCED)


def test_triton_is_not_required() -> None:
    program = """
import os, sys
sys.modules["triton"] = None
os.environ["TRITON_INTERPRET"] = "1"
import torch
from optical.transport import solve
from optical.transport.fused import suits
from optical.transport.relaxation import BALANCED
x = torch.eye(3)[None]
assert not suits(x, x, BALANCED)
print(solve(x, x, torch.ones(1, 3, dtype=torch.bool), torch.ones(1, 3, dtype=torch.bool)).valid.all().item())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_solve_hands_over_what_suits(tmp_path: Path) -> None:
    """With padding, a broken pair, weights, and gradients: the same from both sides of the choice."""
    program = """
import sys, torch
from optical.transport import solve
from optical.transport.fused import suits
from optical.transport.relaxation import BALANCED
x, y, x_mask, y_mask, a = torch.load(sys.argv[1])
y.requires_grad_()
found = solve(x, y, x_mask, y_mask, a=a, eps=0.02, iterations=30)
(2 * found.cost.sum() + found.value.sum()).backward()
names = ("cost", "value", "f", "g", "row_violation", "iterations", "valid", "plan")
torch.save([suits(x, y, BALANCED), y.grad, *(getattr(found, name).detach() for name in names)], sys.argv[2])
"""
    x, y = partly_matched(4, 7, 9)
    x[2, 1] = torch.nan
    a = torch.rand(4, 7, generator=torch.Generator().manual_seed(0)) + 0.1
    torch.save([x, y, first([7, 4, 7, 0], 7), first([9, 6, 9, 9], 9), a], tmp_path / "batch")
    results = []
    for name, interpreted in (("torch", "0"), ("triton", "1")):
        files = str(tmp_path / "batch"), str(tmp_path / name)
        environment = {**os.environ, "TRITON_INTERPRET": interpreted}
        subprocess.run([sys.executable, "-c", program, *files], check=True, env=environment)
        results.append(torch.load(files[1]))
    (by_torch, *wanted), (by_triton, *found) = results
    assert (by_torch, by_triton) == (False, True)
    for got, expected in zip(found, wanted, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
