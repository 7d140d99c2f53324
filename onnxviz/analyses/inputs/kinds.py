"""The kind of an input as the user tells it, set in the model that all verbs read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnxviz.errors import UsageError

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.request import InputRequest
    from onnxviz.model.model import Model


def with_kind(model: Model, request: InputRequest) -> Model:
    """Return a model whose inputs are of the kind that a request tells: all inputs that fit it and are not held.

    Parameters
    ----------
    model : Model
        The model. It is not changed.
    request : InputRequest
        The user's settings. Without a kind the model is returned as it is.

    Raises
    ------
    UsageError
        If there is no such kind, or no input fits it.
    """
    from onnxviz.model.expectations.told_kinds import KINDS, as_kind

    letters = "" if request.letters is None else request.letters.upper()
    kind = request.kind or ("letters" if letters else None)
    if kind is None:
        return model
    if kind not in KINDS:
        raise UsageError(f"`kind` {kind}: give one of {', '.join(KINDS)}")
    if letters and (kind != "letters" or len(letters) < 2 or len(set(letters)) < len(letters)):
        raise UsageError(
            f"`letters` {letters}: give each letter of one-hot codes once, in the order of their axis: ACGT"
        )
    fitting: dict[str, tuple[str, str]] = {}
    refused = ""
    for name, info in model.inputs.items():
        if name in request.held or info.dtype == "string":
            continue
        try:
            as_kind(model, info, kind, letters, "")
        except UsageError as error:
            refused = refused or str(error)
            continue
        fitting[name] = kind, letters
    if not fitting:
        raise UsageError(refused or f"`kind` {kind}: every input of {model.name} is held")
    return model.of_kinds(fitting)
