"""``onnxviz embed``: how a data set lies in the space of a tensor, on a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from onnxviz.analyses.keywords import requested
from onnxviz.commands.options import (
    data_options,
    json_option,
    model_argument,
    output_of,
    output_options,
    request_options,
    seed_option,
    target_option,
)
from onnxviz.commands.terminal import Terminal, visible

if TYPE_CHECKING:
    from rich.console import Console


@click.command()
@model_argument
@click.argument("data", metavar="DATA")
@target_option("The tensor whose codes are shown, or a part of it: 'features', 'relu3[0:16]'.", required=True)
@click.option(
    "--method",
    type=click.Choice(["pca", "tsne", "umap"]),
    help="How the codes are laid out. [default: tsne where scikit-learn is installed, else pca]",
)
@click.option("--flat", is_flag=True, help="Keep every position of a spatial tensor, instead of its channels' means.")
@click.option(
    "--samples",
    "most",
    type=click.IntRange(min=3),
    default=2000,
    show_default=True,
    help="Of a larger data set, show so many samples, drawn by the seed.",
)
@click.option("--no-thumbnails", is_flag=True, help="Show points, also of pictures.")
@data_options
@seed_option
@output_options
@json_option
@click.pass_obj
def embed(terminal: Terminal, /, **options: Any) -> int:
    """Show how the samples of DATA lie in the space of a tensor of MODEL.

    Each sample's code is what ONNX Runtime computes there on the untouched model, spatial tensors averaged over space. With -o
    the map is written as map.png (with thumbnails of pictures, in the colors of --color COLUMN or of the subfolders) and as
    map.csv, and the codes in arrays.npz.

    \b
    Examples:
      onnxviz embed sample_models/digits.onnx sample_models/digits_held_out.npy -t features -o digits
      onnxviz embed sample_models/wine.onnx sample_models/wine.csv -t relu1 --method pca -o wines
    """
    from onnxviz.analyses.embedding.laying_out import lay_out
    from onnxviz.analyses.embedding.request import EmbeddingRequest

    request = requested(EmbeddingRequest, request_options(options, "data"))
    document = lay_out(options["model_path"], options["data"], request, output_of(options), terminal).document()
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
        f"{document['neighbors_kept']:.0%} of each sample's 10 nearest in the plane are among its 10 nearest codes"
    )
    if document["neighbor_agreement"] is not None:
        console.print(
            f"{document['neighbor_agreement']:.0%} of the nearest codes are of the same class, of {len(document['classes'])}"
        )
    for file in document["files"]:
        console.print(f"  {visible(file)}")
