"""ONNX Runtime sessions: the reference for every number shown to a person."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import ModelProto, TensorProto
from onnx.helper import make_node, make_tensor_value_info, tensor_dtype_to_np_dtype

from onnxviz.errors import EvaluationError, UsageError
from onnxviz.model.expectations.integer_inputs import rounded
from onnxviz.model.graph.constants import from_proto
from onnxviz.model.graph.operator_sets import LEAST, too_old

if TYPE_CHECKING:
    from onnxviz.model.graph.graph import Graph

_NUMPY = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int16)": "int16",
    "tensor(int8)": "int8",
    "tensor(uint64)": "uint64",
    "tensor(uint32)": "uint32",
    "tensor(uint16)": "uint16",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
    "tensor(string)": "object",
}

_STORED = {
    f"tensor({name.lower()})": getattr(TensorProto, name)
    for name in ("BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ")
}
"""Types that numpy lacks -> ONNX's element types. ONNX Runtime gets such values as bytes and returns float32."""


_STRANGE = "is not a registered function/op"
_CUSTOM = "; for a custom operator, give a torch function with `plugins`, and ONNX Runtime's library with `custom_ops`"

_THREADS: ContextVar[int] = ContextVar("threads", default=0)
"""Threads of a new session; with 0, ONNX Runtime chooses."""


@contextmanager
def session_threads(count: int) -> Iterator[None]:
    """Set the number of threads of all sessions that are created inside the block."""
    token = _THREADS.set(count)
    try:
        yield
    finally:
        _THREADS.reset(token)


class Session:
    """A function from named arrays to named arrays, computed by ONNX Runtime on the CPU.

    Parameters
    ----------
    model : Graph
        The model. The session cuts it itself.
    tensors : sequence of str
        Tensors to compute. If all are outputs of the model, the file runs unchanged. Else the part up to these tensors
        runs, with them as outputs: ONNX Runtime does not fuse operators across an output.
    wrt : sequence of str
        Tensors inside the graph that are fed instead of computed.
    threads : int, optional
        Threads of a run. Default: as many as ONNX Runtime finds cores.
    kinds : mapping of str to int
        Element types of tensors in `wrt` whose types the graph does not tell.

    Attributes
    ----------
    inputs : dict of str to tuple
        Name of each input -> its numpy type and its shape, as ONNX Runtime reports them.
    untouched : bool
        Whether the file runs unchanged.

    Raises
    ------
    EvaluationError
        If ONNX Runtime refuses the model.
    """

    def __init__(
        self,
        model: Graph,
        tensors: Sequence[str],
        wrt: Sequence[str] = (),
        threads: int | None = None,
        kinds: Mapping[str, int] | None = None,
    ) -> None:
        import onnxruntime

        self.model = model
        self.tensors = tuple(tensors)
        for name in [*tensors, *wrt]:
            model.require(name)
        own = {value.name for value in model.original.graph.output}
        fed = {*wrt, *model.inputs}
        # ONNX Runtime computes only outputs of nodes; inputs and weights are returned as they are.
        self._passed = tuple(name for name in self.tensors if name in fed)
        self._constant = {
            name: model.weight(name) for name in self.tensors if name in model.constants and name not in fed
        }
        computed = [name for name in self.tensors if name not in fed and name not in self._constant]
        self._computed = list(dict.fromkeys(computed))
        # ONNX Runtime computes tensors of these types but cannot return them.
        self._cast = [name for name in self._computed if model.tensors[name].element_type in _STORED.values()]
        self.untouched = model.whole and all(name in own for name in computed) and not wrt and not self._cast
        self.inputs: dict[str, tuple[str, tuple[Any, ...]]] = {}
        self._session: Any = None
        for name in self._passed:
            info = model.tensors[name]
            self.inputs[name] = (
                info.dtype if info.dtype in _NUMPY.values() else f"tensor({info.dtype})",
                info.shape or (),
            )
        if not self._computed:
            return
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads or _THREADS.get()
        # A thread that spins while it waits takes a core from the thread that it waits for, where other processes want the cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        register(options, model.extensions.names.custom_ops)
        content: str | bytes
        if self.untouched and model.path is not None:
            content = str(model.path)
        else:
            proto = model.original if self.untouched else model.cut(self._computed, wrt).to_proto()
            _widen(proto, self._cast)
            for value in proto.graph.input:
                if not value.type.tensor_type.elem_type and value.name in (kinds or {}):
                    value.type.tensor_type.elem_type = (kinds or {})[value.name]
            content = _serialize(proto, model)
            if model.source.folder is not None:
                options.add_session_config_entry(
                    "session.model_external_initializers_file_folder_path", str(model.source.folder)
                )
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises a type of its own for each status
            raise EvaluationError(f"ONNX Runtime does not run {model.name}: {_refusal(error, model)}") from None
        self._fed = [value.name for value in self._session.get_inputs()]
        for value in self._session.get_inputs():
            self.inputs[value.name] = (_NUMPY.get(value.type, value.type), tuple(value.shape))

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return the values of the tensors.

        Parameters
        ----------
        inputs : mapping of str to ndarray
            Values of at least all `inputs`, cast to the model's types; floats for an input of integers are rounded and
            clipped. TensorProto and SequenceProto are accepted.

        Returns
        -------
        dict of str to ndarray
            The tensors, by name (lists for sequences); bfloat16 and 8-bit floats as float32.

        Raises
        ------
        UsageError
            If an input is missing.
        EvaluationError
            If ONNX Runtime refuses the values.
        """
        arrays = {}
        for name, (dtype, _) in self.inputs.items():
            if name not in inputs:
                raise UsageError(f"{self.model.name} needs the input '{name}'; give its value (`held`)")
            arrays[name] = self._array(name, inputs[name], dtype)
        answer: dict[str, Any] = {name: arrays[name] for name in self._passed}
        answer.update(self._constant)
        if self._session is not None:
            try:
                values = self._session.run(
                    [_wide(name) if name in self._cast else name for name in self._computed],
                    {name: _held(arrays[name], self.inputs[name][0]) for name in self._fed},
                )
            except Exception as error:  # as above
                raise EvaluationError(
                    f"ONNX Runtime does not run {self.model.name} on this input: {_sentence(error)}{self._open_sizes(arrays)}"
                ) from None
            answer.update(zip(self._computed, values, strict=True))
        return {name: answer[name] for name in self.tensors}

    def _open_sizes(self, arrays: Mapping[str, Any]) -> str:
        """Return a note on the inputs whose sizes the file leaves open: the model may fail for some sizes."""
        told = [
            f"{name} ({'x'.join(map(str, np.shape(arrays[name])))})"
            for name, (_, shape) in self.inputs.items()
            if any(not isinstance(size, int) for size in shape[1:])
        ]
        return f"; the file leaves sizes of {', '.join(told)} open: set them with `shapes`" if told else ""

    def _array(self, name: str, value: Any, dtype: str) -> Any:
        """Return a value in the type of an input; lists, and types that numpy does not know, unchanged."""
        value = from_proto(value, f"the value of '{name}'")
        try:
            if dtype in _STORED:
                return np.asarray(value).astype(tensor_dtype_to_np_dtype(_STORED[dtype])).astype(np.float32)
            return rounded(value, dtype) if dtype in _NUMPY.values() else value
        except (ValueError, TypeError) as error:
            raise EvaluationError(f"{name} takes {dtype}; the value given does not convert to it: {error}") from None


def register(options: Any, libraries: Sequence[str]) -> None:
    """Add libraries of custom operators to the options of a session.

    Raises
    ------
    EvaluationError
        If ONNX Runtime cannot load a library.
    """
    for library in libraries:
        try:
            options.register_custom_ops_library(library)
        except Exception as error:  # ONNX Runtime raises a type of its own for each status
            raise EvaluationError(f"ONNX Runtime cannot load {library}: {_sentence(error)}") from None


def _held(value: Any, dtype: str) -> Any:
    """Return an array as ONNX Runtime accepts it: for a type that numpy lacks, as an OrtValue made from bytes."""
    if dtype not in _STORED:
        return value
    from onnxruntime import OrtValue

    array = value.astype(tensor_dtype_to_np_dtype(_STORED[dtype]))
    return OrtValue.ortvalue_from_numpy_with_onnx_type(array.view(f"u{array.itemsize}"), _STORED[dtype])


def _wide(name: str) -> str:
    return f"{name}\0float"


def _widen(proto: ModelProto, names: Sequence[str]) -> None:
    """Add float32 copies of some tensors to a model's outputs."""
    for name in names:
        proto.graph.node.append(make_node("Cast", [name], [_wide(name)], to=TensorProto.FLOAT))
        proto.graph.output.append(make_tensor_value_info(_wide(name), TensorProto.FLOAT, None))


def _serialize(proto: Any, model: Graph) -> bytes:
    try:
        content: bytes = proto.SerializeToString()
    except Exception:  # protobuf raises several types beyond 2 GiB
        raise EvaluationError(
            f"{model.name}: the part up to these tensors is larger than ONNX Runtime's limit of 2 GiB; "
            "export the model with its weights as external data"
        ) from None
    return content


def _refusal(error: Exception, model: Graph) -> str:
    """Return why ONNX Runtime refuses a model, with the way on where its operator set is too old."""
    reason = _sentence(error)
    missing = re.match(r"Could not find an implementation for (\S+)\((\d+)\) node with name '(.*)'", reason)
    if missing:
        operator, version, name = missing.groups()
        nodes = [node for node in model.nodes if node.op_type == operator and (not name or node.name == name)]
        kinds = {tuple(model.tensors[one].dtype for one in node.input[:1] if one in model.tensors) for node in nodes}
        of = f" of {kinds.pop()[0]}" if len(kinds) == 1 and all(kinds) else ""
        at = f" at {nodes[0].output[0]}" if nodes and nodes[0].output else ""
        reason = f"it has no kernel for {operator} (version {version}){of}{at}"
    way = too_old(model.original, model.opsets.get("", LEAST), model.path)
    if _STRANGE in reason and not model.extensions.names.custom_ops:
        reason += _CUSTOM
    return f"{reason}. {way}" if way else reason


def _sentence(error: Exception) -> str:
    """Return the first line of ONNX Runtime's message and the wrong sizes, without its file names and status codes."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    text = re.sub(r"\[ONNXRuntimeError\]\s*:\s*\d+\s*:\s*[A-Z_]+\s*:\s*", "", lines[0])
    text = re.sub(r"^/\S+?:\d+ \S+.*?\) ", "", text)
    text = "; ".join([text, *(line.strip() for line in lines[1:] if line.strip().startswith("index: "))])
    return text[:400]
