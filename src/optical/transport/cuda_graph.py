"""Many small kernels started as one: a function captured in a CUDA graph once and replayed from then on."""

import threading
from collections.abc import Callable, Hashable

import torch
from torch import Tensor

# A graph keeps its inputs, its results and the most that its function ever needs in between, so not many are kept.
_MOST_GRAPHS = 16
# What a kernel or a library sets up in its first runs must not be set up during a capture.
_WARM_UPS = 3

Function = Callable[..., tuple[Tensor, ...]]


class _Graph:
    """A function of tensors of given shapes, captured."""

    def __init__(self, function: Function, tensors: tuple[Tensor, ...]) -> None:
        # Tensors made in inference mode could not be written to outside of it.
        with torch.inference_mode(False), torch.no_grad():
            self._capture(function, tensors)

    def _capture(self, function: Function, tensors: tuple[Tensor, ...]) -> None:
        self._inputs = tuple(
            tensor.detach().clone(memory_format=torch.contiguous_format) for tensor in tensors
        )
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UPS):
                function(*self._inputs)
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        # By default a capture fails when any other thread allocates memory meanwhile, as one that pins batches does.
        capture = torch.cuda.graph(self._graph, stream=aside, capture_error_mode="thread_local")
        with capture:
            self._results = function(*self._inputs)

    def __call__(self, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        for kept, tensor in zip(self._inputs, tensors, strict=True):
            kept.copy_(tensor.detach())
        self._graph.replay()
        return tuple(result.clone() for result in self._results)


_graphs: dict[Hashable, _Graph] = {}
_met: set[Hashable] = set()
_lock = threading.RLock()


def replayed(function: Function, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Call a function without gradients, on a GPU by replaying a CUDA graph of it.

    The second call with a function, a stream, and shapes and dtypes of the tensors runs the function a few times
    and captures it (see "Whole-network capture" in PyTorch's notes on CUDA semantics). It takes as long as many
    later ones: they copy the tensors to where the captured kernels read them and start all kernels at once. The first
    16 graphs are kept for good, with the memory that they work in; replacing them would cost more than it saves.

    The function is merely called where the tensors are not on a GPU, or their stream is being captured already, for
    shapes that come for the first time, many of which never come again, and once there are 16 graphs.

    Args:
        function: the same object in every call. For the same shapes it starts the same kernels whatever is in the
            tensors, and it never waits for the device (`item`, `nonzero`, indexing by a mask, ...).
        tensors: all on one device.

    Returns:
        what the function returns, in memory of its own.
    """
    if not all(tensor.is_cuda for tensor in tensors) or torch.cuda.is_current_stream_capturing():
        return function(*tensors)
    with _lock, torch.cuda.device_of(tensors[0]):  # type: ignore[no-untyped-call]
        # Graphs used on two streams at once would overwrite each other's tensors. A stream knows its device.
        stream = torch.cuda.current_stream()
        signature = (function, stream, *((tensor.shape, tensor.dtype) for tensor in tensors))
        if signature not in _graphs:
            if signature not in _met or len(_graphs) >= _MOST_GRAPHS:
                _met.add(signature)
                return function(*tensors)
            _graphs[signature] = _Graph(function, tensors)
        return _graphs[signature](tensors)
