"""4-bit weights with int8 activations, by ai-edge-quantizer. Child process only."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_diffmask.export.flatbuffer import signature_key

# The operators whose kernels read packed 4-bit weights; a depthwise convolution
# would be left in float and keeps 8 bits, as everything else does.
_FOUR_BITS = ("CONV_2D", "FULLY_CONNECTED")


def quantize_to_int4(
    content: bytes,
    names: Sequence[str],
    samples: Sequence[np.ndarray],
    per_channel_dense: bool,
    io: str = "int8",
) -> bytes:
    """Quantizes a float .tflite file.

    Args:
        content: the float file, with a signature.
        names: the signature's names of the inputs.
        samples: the calibration set, one array per input.
        per_channel_dense: one scale per output unit of a Dense kernel, which TFLM
            refuses for 4-bit weights, or one per kernel.
        io: "int8", or "float32" for inputs and outputs that are left as they are.

    Returns:
        The file with 4-bit weights where kernels read them, 8-bit ones elsewhere,
        and int8 activations.
    """
    from ai_edge_quantizer import quantizer
    from ai_edge_quantizer.calibrator import Calibrator
    from ai_edge_quantizer.qtyping import QuantGranularity, TFLOperationName
    from ai_edge_quantizer.utils.qsv_utils import min_max_update

    worker = quantizer.Quantizer(content)
    worker.add_static_config(".*", TFLOperationName.ALL_SUPPORTED, 8, 8)
    for op in _FOUR_BITS:
        fine = op != "FULLY_CONNECTED" or per_channel_dense
        kind = QuantGranularity.CHANNELWISE if fine else QuantGranularity.TENSORWISE
        worker.add_static_config(".*", TFLOperationName(op), 8, 4, kind)
    if io == "float32":
        for op in ("INPUT", "OUTPUT"):
            worker.update_quantization_recipe(
                ".*", TFLOperationName(op), algorithm_key="no_quantize"
            )
    # The default is a moving average of the ranges: 3.7 times the error.
    calibrator = Calibrator(content, num_threads=1, qsv_update_func=min_max_update)
    rows = [
        dict(zip(names, (sample[k : k + 1] for sample in samples), strict=True))
        for k in range(len(samples[0]))
    ]
    recipe: Any = worker._recipe_manager
    calibrator.calibrate({signature_key(content): rows}, recipe)
    result = worker.quantize(
        calibrator.get_model_qsvs(),
        enable_progress_bar=False,
        enable_progress_report=False,
    )
    return bytes(result.quantized_model)
