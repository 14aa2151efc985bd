"""Leaving Keras: plan, strip, pack, convert to .tflite, verify, benchmark."""

if __name__ == "export":
    # From the repository root `import export` would load a second copy of
    # every module and register every Keras class twice.
    raise ImportError(
        "Expected `from keras_diffmask import export`; received `import export`. "
        "Import the package under its full name."
    )

from keras_diffmask import IS_COMMAND_LINE

if not IS_COMMAND_LINE:
    from keras_diffmask.export.artifact import Artifact
    from keras_diffmask.export.benchmarking import benchmark
    from keras_diffmask.export.emit import to_tflite
    from keras_diffmask.export.interop import from_tfmot
    from keras_diffmask.export.latency import measure_latency
    from keras_diffmask.export.measured import measure_dense
    from keras_diffmask.export.model_io import load_model, save_model
    from keras_diffmask.export.npu import VelaEstimate, vela
    from keras_diffmask.export.packing import Packed, pack
    from keras_diffmask.export.reporting import Report, report
    from keras_diffmask.export.surgery import (
        Plan,
        carry_optimizer,
        plan,
        recalibrate,
        strip,
    )
    from keras_diffmask.export.verification import Verification, verify

__all__ = [
    "Artifact",
    "Packed",
    "Plan",
    "Report",
    "VelaEstimate",
    "Verification",
    "benchmark",
    "carry_optimizer",
    "from_tfmot",
    "load_model",
    "measure_dense",
    "measure_latency",
    "pack",
    "plan",
    "recalibrate",
    "report",
    "save_model",
    "strip",
    "to_tflite",
    "vela",
    "verify",
]
