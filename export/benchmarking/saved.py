"""The JSON document of a benchmark, read back."""

import json
from typing import TYPE_CHECKING, Any

from keras_diffmask.errors import ArtifactError
from keras_diffmask.export.benchmarking.records import (
    ModelTimes,
    OpTable,
    OpTime,
    Tool,
)
from keras_diffmask.export.devices import Conditions, DeviceFacts
from keras_diffmask.export.machine import Machine

if TYPE_CHECKING:
    from keras_diffmask.export.benchmarking.result import BenchmarkResult

FORMAT = "keras_diffmask.benchmark/1"


def decode(text: str) -> "BenchmarkResult":
    """Reads the JSON document of a result.

    Args:
        text: what `BenchmarkResult.to_json` wrote.

    Returns:
        The result.

    Raises:
        ArtifactError: the text is not such a document.
    """
    from keras_diffmask.export.benchmarking.result import BenchmarkResult

    try:
        document = json.loads(text)
        if document.pop("format") != FORMAT:
            raise ValueError("another format")
        document["machine"] = Machine(**document["machine"])
        document["models"] = tuple(_model(entry) for entry in document["models"])
        # What came with devices is not in older documents.
        for name, kind in (("facts", DeviceFacts), ("tool", Tool)):
            if document.get(name) is not None:
                document[name] = kind(**_tuples(document[name]))
        seen = document.get("conditions", ())
        document["conditions"] = tuple(Conditions(**_tuples(look)) for look in seen)
        document = _tuples(document)
        return BenchmarkResult(**document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        start = text[:40]
        raise ArtifactError(
            f"the JSON document of a benchmark (format {FORMAT!r})",
            f"text={start!r}",
            "Pass the text that BenchmarkResult.to_json() or .save() wrote.",
        ) from error


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """JSON knows lists only; the records have tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}


def _model(entry: dict[str, Any]) -> ModelTimes:
    table = entry.pop("ops")
    if table is not None:
        ops = tuple(OpTime(**op) for op in table.pop("ops"))
        table = OpTable(ops=ops, **table)
    return ModelTimes(ops=table, **_tuples(entry))
