"""What there is to say of a finished .tflite model, as text."""

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_diffmask.export.artifact import Agreement, Artifact

_HOW = "(Python: reset_all_variables(); C++: ResetVariableTensors(); TFLM: Reset())."


def state_note(stateful: bool, streaming: bool, resources: bool = False) -> str:
    """When to reset the state; empty for a model that has none."""
    if not stateful:
        return ""
    if resources:
        return (
            "Its resource variables keep their values between invocations, and "
            "reset_all_variables() leaves them alone: make a new interpreter before "
            "every sequence."
        )
    if streaming:
        return (
            "One invocation is one step, and the LSTM carries its state to the next: "
            f"reset it when a new sequence begins, and only then {_HOW}"
        )
    return (
        "The LSTM keeps its state between invocations: reset it before every "
        f"sequence {_HOW}"
    )


def difference(agreement: "Agreement", is_calibrated: bool) -> str:
    """How far a file's outputs are off, and what that does not show.

    Args:
        agreement: what the conversion has measured.
        is_calibrated: whether that was with the calibration data.
    """
    said = (
        f"difference to the Keras model: {agreement.relative_error:.3%} (rms, "
        f"{agreement.samples} examples"
    )
    # Inputs on a wrong scale agree with themselves.
    more = " of the calibration data; `verify` takes others" if is_calibrated else ""
    return f"{said}{more})"


def render(artifact: "Artifact") -> str:
    """Lays an artifact out as lines of text."""
    counts = Counter(artifact.ops)
    lines = [
        f"{artifact.name}: {artifact.nbytes:,} bytes, {artifact.quantization}"
        + (f", for {artifact.target}" if artifact.target else "")
        + (", streaming" if artifact.streaming else ""),
        *(f"input {spec}" for spec in artifact.inputs),
        *(f"output {spec}" for spec in artifact.outputs),
        "ops: " + ", ".join(f"{n} {op}" for op, n in counts.items()),
    ]
    if artifact.agreement is not None:
        is_calibrated = artifact.calibration is not None
        lines.append(difference(artifact.agreement, is_calibrated))
    if artifact.calibration is not None:
        lines.append(f"calibrated with {artifact.calibration}")
    if artifact.labels:
        shown = ", ".join(artifact.labels[:5])
        lines.append(f"labels: {shown}" + (", ..." if len(artifact.labels) > 5 else ""))
    return "\n".join([*lines, *filter(None, (artifact.state_note, *artifact.notes))])
