"""Pruning with differentiable masks for Keras 3, down to int8 on the device."""

import os as _os
import pathlib as _pathlib
import sys as _sys

__version__ = "0.1.0.dev0"


# Whether this process is the command line, `keras-diffmask` or `python -m`. It
# answers --help at once and errors in one line, so it decides itself when Keras is
# loaded, which takes seconds and lets TensorFlow greet on stderr. Anyone else gets
# everything now: importing is what registers the layers with Keras. Read once,
# since runpy changes argv[0] after this import.
_program = _pathlib.PurePath(_sys.argv[0] if _sys.argv else "").stem
IS_COMMAND_LINE = _program == "keras-diffmask" or (
    _program == "-m" and "keras_diffmask" in _sys.orig_argv
)

# A child that converts or measures. Keras and TensorFlow look whether these packages
# are there, and loading them takes a third of the seconds until it can begin.
if (
    _program == "-m"
    and any(word.startswith("keras_diffmask.export.") for word in _sys.orig_argv)
    and _os.environ.get("KERAS_BACKEND") == "tensorflow"
):
    _hidden = {"jax", "matplotlib", "sklearn"}.difference(_sys.modules)
    _sys.modules.update(dict.fromkeys(_hidden))  # type: ignore[arg-type]
    import keras as _keras  # noqa: F401

    for _name in _hidden:
        del _sys.modules[_name]

if not IS_COMMAND_LINE:
    from keras_diffmask import callbacks as callbacks
    from keras_diffmask import costs as costs
    from keras_diffmask import errors as errors
    from keras_diffmask import estimators as estimators
    from keras_diffmask import layers as layers
    from keras_diffmask import metrics as metrics
    from keras_diffmask import quantizers as quantizers
    from keras_diffmask import regularizers as regularizers
    from keras_diffmask import schedules as schedules
    from keras_diffmask.budget import Budget as Budget
    from keras_diffmask.gate import Gate as Gate
    from keras_diffmask.masking import MaskedModel as MaskedModel
    from keras_diffmask.masking import finalize as finalize
    from keras_diffmask.masking import gates as gates
    from keras_diffmask.masking import mask_model as mask_model
    from keras_diffmask.masking import protect_gates as protect_gates
    from keras_diffmask.quantization import quantize_model as quantize_model
    from keras_diffmask.summary import summary as summary
