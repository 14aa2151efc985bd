"""Models of every kind, and headers that declare what a bundle uses of TFLM."""

import keras
import numpy as np
import pytest

from keras_diffmask import export

layers = keras.layers

SCHEMA = """
#pragma once
#include <cstdint>
#define TFLITE_SCHEMA_VERSION 3
namespace tflite {
struct Model { std::uint32_t version() const { return 3; } };
inline const Model* GetModel(const void* data) {
  return static_cast<const Model*>(data);
}
}
"""
COMMON = """
#pragma once
#include <cstddef>
typedef enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 } TfLiteStatus;
typedef union TfLitePtrUnion { char* raw; void* data; } TfLitePtrUnion;
typedef struct TfLiteTensor { TfLitePtrUnion data; size_t bytes; } TfLiteTensor;
"""
LOG = """
#pragma once
#include <cstdarg>
#include <cstdio>
inline void MicroPrintf(const char* format, ...) {
  va_list rest;
  va_start(rest, format);
  std::vprintf(format, rest);
  va_end(rest);
  std::printf("\\n");
}
"""
SETUP = "#pragma once\nnamespace tflite { inline void InitializeTarget() {} }\n"
# It answers what is written in answers.h, and prints what it was asked.
INTERPRETER = """
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstring>
#include "answers.h"
#include "tensorflow/lite/c/common.h"
#include "tensorflow/lite/schema/schema_generated.h"
namespace tflite {
class MicroOpResolver {};
class MicroInterpreter {
 public:
  MicroInterpreter(const Model*, const MicroOpResolver&, std::uint8_t* arena,
                   size_t size) : arena_(arena), size_(size) {}
  TfLiteStatus AllocateTensors() { return Allocate(ins_, outs_, arena_, size_); }
  TfLiteStatus Invoke() { return Answer(ins_, outs_, call_++); }
  TfLiteStatus Reset() { std::printf("reset\\n"); call_ = 0; return kTfLiteOk; }
  TfLiteTensor* input(size_t i) { return &ins_[i]; }
  TfLiteTensor* output(size_t i) { return &outs_[i]; }
  size_t arena_used_bytes() const { return size_ / 2; }
 private:
  std::uint8_t* arena_;
  size_t size_;
  int call_ = 0;
  TfLiteTensor ins_[4], outs_[4];
};
}
"""
NO_ANSWERS = """
#pragma once
#include "tensorflow/lite/c/common.h"
#include <cstdint>
TfLiteStatus Allocate(TfLiteTensor*, TfLiteTensor*, std::uint8_t*, size_t);
TfLiteStatus Answer(TfLiteTensor*, TfLiteTensor*, int);
"""


def resolver_header():
    """Methods of TFLM's resolver, written down apart from the library's table."""
    names = """
        Abs Add AveragePool2D BatchMatMul Concatenation Conv2D DepthwiseConv2D
        FullyConnected Logistic MaxPool2D Mean Mul Pad Relu Reshape ReverseV2 Softmax
        StridedSlice Tanh UnidirectionalSequenceLSTM
    """.split()
    adds = "\n".join(
        f"  TfLiteStatus Add{name}() {{ return Count(); }}" for name in names
    )
    return f"""
#pragma once
#include "tensorflow/lite/micro/micro_interpreter.h"
namespace tflite {{
template <unsigned int count>
class MicroMutableOpResolver : public MicroOpResolver {{
 public:
{adds}
 private:
  TfLiteStatus Count() {{ return used_++ < count ? kTfLiteOk : kTfLiteError; }}
  unsigned int used_ = 0;
}};
}}
"""


@pytest.fixture(scope="session")
def stubs(tmp_path_factory):
    """A folder that stands in for TFLM's sources when compiling."""
    folder = tmp_path_factory.mktemp("tflm")
    lite = folder / "tensorflow" / "lite"
    for name, text in {
        "c/common.h": COMMON,
        "schema/schema_generated.h": SCHEMA,
        "micro/micro_interpreter.h": INTERPRETER,
        "micro/micro_mutable_op_resolver.h": resolver_header(),
        "micro/micro_log.h": LOG,
        "micro/system_setup.h": SETUP,
    }.items():
        (lite / name).parent.mkdir(parents=True, exist_ok=True)
        (lite / name).write_text(text)
    (folder / "answers.h").write_text(NO_ANSWERS)
    return folder


def draw(*shape):
    return np.random.default_rng(1).standard_normal(shape).astype("float32")


def conv():
    inputs = keras.Input((8, 8, 2), name="image")
    h = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    h = layers.DepthwiseConv2D(3)(layers.MaxPooling2D()(h))
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(h)), name="net")


def pair():
    a, b = keras.Input((3,), name="a"), keras.Input((4,), name="b")
    h = layers.Concatenate()([a, b])
    return keras.Model([a, b], [layers.Dense(2)(h), layers.Dense(5)(h)], name="double")


def lstm():
    inputs = keras.Input((6, 3))
    h = layers.LSTM(5, return_sequences=True)(inputs)
    return keras.Model(inputs, layers.Dense(2)(layers.LSTM(4)(h)), name="stack")


def make(kind):
    keras.utils.set_random_seed(2)
    to_int8 = {"quantization": "int8", "target": "cortex-m"}
    if kind == "conv":
        x = draw(40, 8, 8, 2)
        return export.to_tflite(conv(), calibration=x, name="2-layer net", **to_int8)
    if kind == "conv_float_io":
        x = draw(40, 8, 8, 2)
        return export.to_tflite(conv(), calibration=x, io="float32", **to_int8)
    if kind == "float":
        return export.to_tflite(conv(), name="a*/b\\\n\u00e4?")
    if kind == "pair":
        x = [draw(40, 3), draw(40, 4)]
        return export.to_tflite(pair(), calibration=x, **to_int8)
    streaming = kind == "streaming"
    x = draw(40, 6, 3)
    return export.to_tflite(lstm(), calibration=x, streaming=streaming, **to_int8)


KINDS = ("conv", "float", "pair", "lstm", "streaming")


@pytest.fixture(scope="session")
def artifacts():
    """Kind -> artifact, converted when first asked for."""

    class Lazily(dict):
        def __missing__(self, kind):
            self[kind] = make(kind)
            return self[kind]

    return Lazily()
