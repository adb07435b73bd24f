"""The query side of an encoder in ONNX format, run by ONNX Runtime on the CPU: a query in a fraction of the time.

sentence-transformers has a backend of that name, but only for the transformer, and through a package (optimum-onnx)
that does not work with transformers 5. Here the graph is the whole side: transformer, projection and unit norm.
"""

import copy
import json
import logging
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from sentence_transformers.sentence_transformer.modules import WordWeights
from sentence_transformers.util import batch_to_device
from torch import Tensor, nn

from optical.encoders.artefact import assemble, versions
from optical.encoders.fingerprint import fingerprint
from optical.encoders.loading import load_encoder
from optical.encoders.sides import query_modules
from optical.errors import OpticalError
from optical.files import create_folder
from optical.models import bundled_folder
from optical.packages import require_package

logger = logging.getLogger(__name__)

FOLDER = "onnx-query"
_GRAPH, _DESCRIPTION = "query.onnx", "query.json"
_OUTPUT = "token_embeddings"
_EXAMPLES = ("what is the capital of the country and who lives there", "rain")
_TOLERANCE = 1e-4
# The mask chooses among the vectors that the graph returns, and the weights stretch them.
_AFTER_THE_GRAPH = (MultiVectorMask, WordWeights)


def export_onnx(encoder_folder: str | Path, *, output: str | Path | None = None, int8: bool = False) -> Path:
    """Write the query side of a saved encoder as ONNX into its folder, where :func:`load_query_encoder` finds it.

    The folder ``onnx-query`` in it holds the graph and ``query.json``, which says what it was made from; an earlier
    export is replaced. For every other use the encoder stays as it is. The graph's vectors are compared with the
    encoder's before the folder appears.

    Args:
        encoder_folder: a saved artefact or late-interaction checkpoint; with ``output`` also the name of a bundled
            encoder, into whose folder nothing is written.
        output: a folder that does not exist: a copy of the encoder, with the export in it.
        int8: keep the weights in 8 bits and multiply in 8 bits (ONNX Runtime's dynamic quantisation): a quarter of
            the size, faster, and slightly other vectors.

    Returns:
        The folder with the export.

    Raises:
        OpticalError: the packages are missing, there is no encoder in that folder, ``output`` exists, the query side
            has a module that cannot be exported, or the graph makes other vectors than the encoder.
    """
    for package in ("onnxruntime", "onnxscript", "onnx"):
        require_package(package, "onnx")
    name = Path(encoder_folder)
    folder = name if output is None or name.exists() else bundled_folder(str(name)) or name
    if not folder.is_dir():
        raise OpticalError(
            f"{folder} is not a folder, and an export lies in the encoder's. Give a saved encoder, or a bundled one "
            "with --output."
        )
    encoder = load_encoder(folder)
    digest, side = fingerprint(encoder, "query"), _Side(encoder, folder)
    if output is None:
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
        with create_folder(folder / FOLDER) as new:
            side.export(new, digest, int8=int8)
        return folder / FOLDER
    with create_folder(Path(output)) as new:
        ignored = shutil.ignore_patterns(FOLDER)
        shutil.copytree(folder, new, ignore=ignored, copy_function=shutil.copyfile, dirs_exist_ok=True)
        new.chmod(0o700)  # the encoder may lie where nobody writes
        (new / FOLDER).mkdir()
        side.export(new / FOLDER, digest, int8=int8)
    return Path(output) / FOLDER


def load_query_encoder(name_or_folder: str | Path) -> MultiVectorEncoder:
    """Load an encoder for searching: its queries run in ONNX Runtime where an export of them is in its folder.

    A warning says so when an export cannot be used, because onnxruntime is not installed or because the encoder's
    query side has changed since; PyTorch encodes the queries then, as without an export. The arithmetic takes as
    many threads as PyTorch's does.

    Raises:
        OpticalError: as :func:`load_encoder`, or the export is damaged.
    """
    encoder = load_encoder(name_or_folder)
    exported = Path(name_or_folder) / FOLDER
    if not exported.exists():
        return encoder
    if find_spec("onnxruntime") is None:
        logger.warning(
            "%s holds an ONNX query side, but onnxruntime is not installed, so PyTorch is used. Install it with: "
            "pip install 'optical[onnx]'",
            name_or_folder,
        )
        return encoder
    try:
        description = json.loads((exported / _DESCRIPTION).read_text(encoding="utf-8"))
        stale = description["query_side"] != fingerprint(encoder, "query")
        session = None if stale else _session(exported / _GRAPH)
    # ONNX Runtime's own errors have no class in common below Exception.
    except Exception as error:
        raise OpticalError(
            f"{exported} is damaged ({error}). Remove it, or export again: optical export {name_or_folder} --onnx"
        ) from error
    if session is None:
        logger.warning(
            "%s was exported from another query side than the encoder now has, so PyTorch is used. Export again: "
            "optical export %s --onnx",
            exported,
            name_or_folder,
        )
        return encoder
    first, *rest = query_modules(encoder)
    after = [module for module in rest if isinstance(module, _AFTER_THE_GRAPH)]
    queries = MultiVectorEncoder(modules=[_run_by(session, first), *after], prompts=encoder.prompts)
    joined = assemble(queries, encoder)
    return _OnnxEncoder(
        modules=list(joined.children()),
        prompts=joined.prompts,
        similarity_fn_name=joined.similarity_fn_name,
        device=str(encoder.device),
    ).eval()


class _OnnxEncoder(MultiVectorEncoder):
    def encode_query(self, inputs: Any, *arguments: Any, **options: Any) -> Any:
        """Encode as the library does; a single plain query goes past what the library does for large batches.

        For every call it walks several times over all modules of both sides, which takes longer than a small
        encoder takes for the query.
        """
        alone = isinstance(inputs, str) or len(inputs) == 1
        if arguments or not alone or not options.keys() <= {"batch_size", "convert_to_numpy"}:
            return super().encode_query(inputs, *arguments, **options)
        texts = [inputs] if isinstance(inputs, str) else list(inputs)
        with torch.inference_mode():
            features = self.preprocess(texts, prompt=self.prompts.get("query") or None, task="query")
            features = self(batch_to_device(features, self.device), task="query")
        vectors = features[_OUTPUT][0][features["attention_mask"][0].bool()]
        vectors = vectors.cpu().numpy() if options.get("convert_to_numpy") else vectors.to(self.device)
        return vectors if isinstance(inputs, str) else [vectors]


class _Side(nn.Module):
    """The query side as a function of tensors."""

    def __init__(self, encoder: MultiVectorEncoder, name: Path) -> None:
        super().__init__()
        first: Any
        first, *rest = query_modules(encoder)
        for module, kinds in (
            (first, Transformer),
            *((each, (Dense, Normalize, *_AFTER_THE_GRAPH)) for each in rest),
        ):
            if not isinstance(module, kinds) or (isinstance(module, WordWeights) and module is not rest[-1]):
                raise OpticalError(
                    f"The query side of {name} has a {type(module).__name__} module, which cannot be exported. Choose "
                    "an encoder of a transformer, projections and unit norm."
                )
        self._prompt = encoder.prompts.get("query") or ""
        steps = (each for each in (first, *rest) if not isinstance(each, _AFTER_THE_GRAPH))
        self._steps = nn.ModuleList(steps)
        self.eval().to("cpu", torch.float32)
        self._names: list[str] = list(first.tokenizer.model_input_names)

    def forward(self, *tensors: Tensor) -> Tensor:
        features: dict[str, Any] = dict(zip(self._names, tensors, strict=True))
        for step in self._steps:
            features = step(features)
        vectors: Tensor = features[_OUTPUT]
        return vectors

    def _inputs(self, texts: Sequence[str]) -> tuple[Tensor, ...]:
        transformer: Any = self._steps[0]
        features = transformer.preprocess(list(texts), prompt=self._prompt, task="query")
        return tuple(features[name] for name in self._names)

    def export(self, folder: Path, digest: str, *, int8: bool) -> None:
        """Write the graph and its description into an empty folder."""
        graph = folder / _GRAPH
        with _silence():
            self.write(graph)
            self.check(graph)
            if int8:
                _quantise(graph)
        description = {
            "query_side": digest,
            "arithmetic": "int8" if int8 else "float32",
            "versions": versions("onnx", "onnxruntime", "onnxscript"),
        }
        (folder / _DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")

    def write(self, path: Path) -> None:
        anything = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
        torch.onnx.export(
            self,
            self._inputs(_EXAMPLES),
            path,
            input_names=self._names,
            output_names=[_OUTPUT],
            dynamo=True,
            dynamic_shapes=(tuple(anything for _ in self._names),),
            external_data=False,
            verbose=False,
        )

    def check(self, path: Path) -> None:
        # Of another size than the examples that the graph was traced with.
        inputs = self._inputs(_EXAMPLES[1:])
        with torch.inference_mode():
            expected = self(*inputs)
        found = _run(_session(path), dict(zip(self._names, inputs, strict=True)))
        difference = float((found - expected).abs().max())
        if not difference <= _TOLERANCE:
            raise OpticalError(
                f"The exported query side makes other vectors than PyTorch does (by up to {difference:.1g}). Use the "
                "encoder without an export."
            )


def _quantise(graph: Path) -> None:
    from onnxruntime.quantization import quantize_dynamic

    full = graph.with_name("float32.onnx")
    graph.rename(full)
    # 7 bits of weights: products of 8 saturate where a processor has AVX2 without VNNI (ONNX Runtime's documentation,
    # "Quantize ONNX models", When to use reduce-range), and a file may be carried to such a one.
    quantize_dynamic(full, graph, per_channel=True, reduce_range=True)
    full.unlink()


def _session(graph: Path) -> Any:
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _run(session: Any, tensors: dict[str, Tensor]) -> Tensor:
    arrays = {each.name: tensors[each.name].cpu().numpy() for each in session.get_inputs()}
    return torch.from_numpy(session.run([_OUTPUT], arrays)[0])


def _run_by(session: Any, transformer: Transformer) -> Transformer:
    """Return a copy of ``transformer`` with ``session`` as its model, where sentence-transformers' backends go, too."""
    copied = copy.copy(transformer)
    copied._modules = {}
    copied.model = _Model(session, transformer.config)
    return copied


class _Model:
    """What :class:`Transformer` asks of its model."""

    def __init__(self, session: Any, config: Any) -> None:
        self._session = session
        self.config = config

    def __call__(self, **tensors: Any) -> dict[str, Tensor]:
        return {"last_hidden_state": _run(self._session, tensors).to(tensors["input_ids"].device)}

    forward = __call__


@contextmanager
def _silence() -> Iterator[None]:
    # The exporter and the quantiser warn of what concerns their developers, through logging and warnings both.
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
