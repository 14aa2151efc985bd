"""Simulates the device's integers in a whole model while it trains."""

from keras_diffmask.quantization.insert import insert_quantizers as insert_quantizers
from keras_diffmask.quantization.quantize_model import (
    quantize_model as quantize_model,
)
from keras_diffmask.quantization.quantize_model import require_plain as require_plain
from keras_diffmask.quantization.quantized_model import (
    QuantizedModel as QuantizedModel,
)
from keras_diffmask.quantization.quantized_model import names_of as names_of
from keras_diffmask.quantization.split import split_operators as split_operators
