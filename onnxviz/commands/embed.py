"""``onnxviz embed``: shows on a map which samples of a data set are similar inside the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from onnxviz.analyses.keywords import requested
from onnxviz.commands.options import (
    data_options,
    json_option,
    model_argument,
    model_of,
    output_of,
    output_options,
    plugin_options,
    request_options,
    seed_option,
    target_option,
)
from onnxviz.commands.terminal import Terminal, visible

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@model_argument
@click.argument("data", metavar="[DATA]", required=False)
@target_option("The tensor whose values are compared, or a part of it: 'features', 'relu3[0:16]'.", required=True)
@click.option(
    "--method",
    type=click.Choice(["pca", "tsne", "umap"]),
    help="The method that draws the map. [default: tsne if scikit-learn is installed, else pca]",
)
@click.option(
    "--flat",
    is_flag=True,
    help="Keep every position of a spatial tensor. Without it, positions are reduced by the target's question, most often their mean.",
)
@click.option(
    "--samples",
    "most",
    type=click.IntRange(min=3),
    default=2000,
    show_default=True,
    help="The largest number of samples. From a larger data set, random samples are drawn.",
)
@click.option("--no-thumbnails", is_flag=True, help="Show points instead of small pictures.")
@data_options
@seed_option
@output_options
@plugin_options
@json_option
@click.pass_obj
def embed(terminal: Terminal, /, **options: Any) -> int:
    """Show on a map which samples of DATA are similar in a tensor of MODEL.

    The code of a sample is the value of the tensor, computed by ONNX Runtime on the untouched model. Spatial tensors are
    averaged over their positions. Samples with similar codes lie close together on the map. -o writes the map as map.png and
    map.csv, and the codes as arrays.npz. The map has thumbnails of pictures. --color COLUMN or the subfolders give the colors.

    \b
    Examples:
      onnxviz embed sample_models/digits.onnx sample_models/digits_held_out.npy -t features -o digits
      onnxviz embed sample_models/wine.onnx sample_models/wine.csv -t relu1 --method pca -o wines
    """
    from onnxviz.analyses.embedding.laying_out import lay_out
    from onnxviz.analyses.embedding.request import EmbeddingRequest

    request = requested(EmbeddingRequest, request_options(options, "data"))
    document = lay_out(model_of(options, terminal), options["data"], request, output_of(options), terminal).document()
    terminal.emit(document, options["as_json"], lambda console: _show(console, document))
    return 0


def _show(console: Console, document: dict[str, Any]) -> None:
    of = f" of {document['of']}" if document["of"] != document["samples"] else ""
    console.print(
        f"{visible(document['target'])}: {document['samples']}{of} samples, codes of {document['features']} numbers",
        style="bold",
    )
    if document["explained"]:
        shares = " and ".join(f"{share:.1%}" for share in document["explained"])
        console.print(f"the two axes hold {shares} of the variance")
    console.print(
        f"map quality: {document['neighbors_kept']:.0%} of the 10 nearest neighbors on the map are among the 10 nearest codes"
    )
    if document["neighbor_agreement"] is not None:
        console.print(
            f"{document['neighbor_agreement']:.0%} of the nearest codes have the same class ({len(document['classes'])} classes)"
        )
    for file in document["files"]:
        console.print(f"  {visible(file)}")
