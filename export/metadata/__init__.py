"""What a .tflite file says of itself: checksum, calibration data, labels."""

from keras_diffmask.export.metadata.fingerprint import Fingerprint, InputRange
from keras_diffmask.export.metadata.phone import (
    append_labels,
    check_labels,
    labels_of,
    phone_metadata,
)
from keras_diffmask.export.metadata.stamp import (
    check_whole,
    fingerprint_of,
    is_streaming,
    mark_streaming,
    stamp,
)

__all__ = [
    "Fingerprint",
    "InputRange",
    "append_labels",
    "check_labels",
    "check_whole",
    "fingerprint_of",
    "is_streaming",
    "labels_of",
    "mark_streaming",
    "phone_metadata",
    "stamp",
]
