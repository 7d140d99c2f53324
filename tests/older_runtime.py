"""Tests that ONNX Runtime 1.23 cannot judge, which is the last one for Python 3.10.

It lacks kernels of later versions of operators, computes some others in another way than the operators' documents say, and ends the
process at a few models. What onnxviz computes there, later runtimes confirm. Each line below is a pattern over the names of tests, with
the cause.
"""

from __future__ import annotations

import re

import onnxruntime
import pytest

OLDER = tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 24)

KERNEL = "this ONNX Runtime has no kernel for this version or type"
VALUES = "this ONNX Runtime computes other values than later ones, which agree with the operator's document"
ENDS = "this ONNX Runtime ends the process"
REFUSES = "this ONNX Runtime refuses the node or what is fed to it"
MIXED = "this ONNX Runtime refuses some of the batches, and computes others in another way"

UNJUDGED = {
    r"test_equal_classes.*\[sum\]": "this ONNX Runtime fails in its own fused convolution",
    r"test_known_values.*\[Pow-17-": "this ONNX Runtime rounds the last digit otherwise",
    r"test_known_values.*\[ReduceSum-17-.*inputs59\]": REFUSES,
    r"test_linear.*test_classifier_with_one_row_for_two_classes\[LOGISTIC\]": VALUES,
    r"test_support_vectors.*test_post_transforms\[2-False-LOGISTIC\]": VALUES,
    r"test_trees.*test_two_classes\[LOGISTIC-votes1[23]-": VALUES,
    r"test_trees.*test_version_5": VALUES,
    r"test_ngrams.*test_counts_are": ENDS,
    r"test_block_quantization.*test_onnx_runtime_agrees_about_products.*-2\]": KERNEL,
    r"test_block_quantization.*test_an_empty_weight": ENDS,
    r"test_block_quantization.*test_onnx_runtime_agrees_about_a_packed_table": KERNEL,
    r"test_quantization\.py.*test_onnx_runtime_agrees\[23-": KERNEL,
    r"test_quantized_convolutions.*integer_convolutions\[uint8-int8-": KERNEL,
    r"test_indexing.*ReverseSequence": VALUES,
    r"test_joining.*num_outputs=4": REFUSES,
    r'test_padding.*mode="wrap"': VALUES,
    r"test_reshaping.*ExpandDims": ENDS,
    r"test_reshaping.*test_a_size_beside_a_zero": REFUSES,
    r"test_layer_normalization.*(LayerNormalization<axis=2>.*inputs4-17|RMSNormalization<axis=1>)": REFUSES,
    r"test_normalization.*LpNormalization.*-22\]": KERNEL,
    r"test_ordering.*TopK.*inputs(9|10)-11\]": VALUES,
    r"test_pooling.*test_pools_are.*inputs(6|7|11|21)-": VALUES,
    r"test_signal.*onesided=1, inverse=1": REFUSES,
    r"test_signal.*test_frames_are.*inputs[45]\]": VALUES,
    r"test_convolution.*test_causal_convolution": KERNEL,
    r"test_attention.*test_values_are.*softcap=0\.5": VALUES,
    r"test_attention.*test_the_stages_are.*\[1\]": VALUES,
    r"test_grouped_query_attention.*test_steps_are.*local_window_size=2.*-False\]": VALUES,
    r"test_grouped_query_attention.*test_ragged_batches_are": MIXED,
    r"test_grouped_query_attention.*test_other_inputs_are.*inputs[78]-causal=0\]": REFUSES,
    r"test_multihead_attention.*test_other_inputs_of_attention_are.*inputs2-": ENDS,
    r"test_rotary.*4-D-partial": REFUSES,
    r"test_transformer_activations.*ScaledSiLU": KERNEL,
    r'test_recurrent_layers.*\[RNN-activations=\["LeakyRelu"\]': VALUES,
    r"test_recurrent_layers.*test_short_sequences_are.*\[RNN-(kernel|loop)-lengths[13]-": VALUES,
    r"test_patches.*test_deformed_convolution": KERNEL,
    r"test_patches.*test_image_of_columns_is.*inputs[34]\]": VALUES,
    r"test_regions.*test_pooled_regions_are.*shape0-1\.0\]": REFUSES,
    r'test_resize.*mode="cubic", axes=\[-1, -2\]': VALUES,
    r"test_resize.*test_rounding_edges": VALUES,
}


def leave_out(items: list[pytest.Item]) -> None:
    """Mark the tests that an older ONNX Runtime cannot judge as skipped, each with the cause; with a later one, none."""
    if not OLDER:
        return
    for item in items:
        for pattern, cause in UNJUDGED.items():
            if re.search(pattern, item.nodeid):
                item.add_marker(pytest.mark.skip(reason=cause))
                break
