"""`main.cc`, the program that runs the golden example, and its Makefile."""

from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_diffmask.export.artifact import Artifact

_MAIN = Template("""\
// Runs one example through the model and compares with what must come out.
// Prints PASS and returns 0, or says what differs, prints FAIL and returns 1.

#include <cmath>
#include <cstdint>
#include <cstring>

#include "golden.h"
#include "model_data.h"
#include "model_settings.h"
#include "op_resolver.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_log.h"
#include "tensorflow/lite/micro/system_setup.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace {

alignas(16) std::uint8_t arena[$space::kArenaBytes];

// Invoke() may write over the inputs: fill them before every call.
template <typename T>
bool Fill(TfLiteTensor* tensor, const T* values, int count) {
  if (tensor == nullptr || tensor->bytes != count * sizeof(T)) {
    MicroPrintf("an input has another size than model_settings.h says");
    return false;
  }
  std::memcpy(tensor->data.raw, values, tensor->bytes);
  return true;
}

template <typename T>
bool Check(const TfLiteTensor* tensor, const T* wanted, int count, float tolerance) {
  if (tensor == nullptr || tensor->bytes != count * sizeof(T)) {
    MicroPrintf("an output has another size than model_settings.h says");
    return false;
  }
  int wrong = 0;
  for (int i = 0; i < count; ++i) {
    T got;
    std::memcpy(&got, tensor->data.raw + i * sizeof(T), sizeof(T));
    const float difference =
        std::fabs(static_cast<float>(got) - static_cast<float>(wanted[i]));
    // Written so that NaN counts as wrong.
    if (!(difference <= tolerance)) ++wrong;
  }
  if (wrong != 0) MicroPrintf("%d of %d outputs are wrong", wrong, count);
  return wrong == 0;
}

bool Run() {
  const tflite::Model* model = tflite::GetModel($space::kModel);
  if (model->version() != TFLITE_SCHEMA_VERSION) {
    MicroPrintf("this TFLM reads another version of the format");
    return false;
  }
  static $space::OpResolver resolver;
  if ($space::AddOps(resolver) != kTfLiteOk) return false;
  static tflite::MicroInterpreter interpreter(model, resolver, arena, sizeof(arena));
  if (interpreter.AllocateTensors() != kTfLiteOk) {
    MicroPrintf("the arena is too small: raise kArenaBytes in model_settings.h");
    return false;
  }
  MicroPrintf("arena: %d of %d bytes used",
              static_cast<int>(interpreter.arena_used_bytes()),
              static_cast<int>(sizeof(arena)));
$reset  bool good = true;
  for (int call = 0; call < $space::kGoldenCalls; ++call) {
$fills    if (interpreter.Invoke() != kTfLiteOk) return false;
$checks  }
  return good;
}

}  // namespace

int main() {
  tflite::InitializeTarget();
  const bool good = Run();
  MicroPrintf(good ? "PASS" : "FAIL");
  return good ? 0 : 1;
}
""")
_RESET = """\
  // The model remembers: reset it before every $what.
  if (interpreter.Reset() != kTfLiteOk) return false;
"""
_FILL = """\
    if (!Fill(interpreter.input($i),
              $space::kGoldenInput$i + call * $space::kInput${i}Elements,
              $space::kInput${i}Elements)) {
      return false;
    }
"""
_CHECK = """\
    good &= Check(interpreter.output($i),
                  $space::kGoldenOutput$i + call * $space::kOutput${i}Elements,
                  $space::kOutput${i}Elements, $space::kTolerance$i);
"""

MAKEFILE = """\
# make check TFLM_DIR=...   builds the program for this computer and runs it
# make objects TFLM_DIR=... only compiles this folder's files
#
# TFLM_DIR is a checkout of TensorFlow Lite for Microcontrollers in which its own
# `make -f tensorflow/lite/micro/tools/make/Makefile microlite` has built the library
# and downloaded what it needs; or a tree that its create_tflm_tree.py has written,
# for which TFLM_LIB has to name a library built of it. CXX may be a cross compiler.

CXX ?= g++
CXXFLAGS ?= -O2 -Wall -Wextra
# TFLM's own files are compiled with the last three: they change its structures.
FLAGS = -std=c++17 -fno-exceptions -fno-rtti -DTF_LITE_STATIC_MEMORY
DOWNLOADS = $(TFLM_DIR)/tensorflow/lite/micro/tools/make/downloads
INCLUDES = -I. -isystem $(TFLM_DIR) \\
  $(foreach place,$(DOWNLOADS) $(TFLM_DIR)/third_party,-isystem $(place)/gemmlowp \\
    -isystem $(place)/flatbuffers/include -isystem $(place)/ruy)
TFLM_LIB ?= $(firstword $(wildcard $(TFLM_DIR)/gen/*/lib/libtensorflow-microlite.a))
OBJECTS = main.o golden.o model_data.o

.PHONY: check objects clean
check: golden_test
\t./golden_test

objects: $(OBJECTS)

golden_test: $(OBJECTS)
\t$(CXX) $(OBJECTS) $(TFLM_LIB) -lm -o $@

%.o: %.cc $(wildcard *.h)
ifndef TFLM_DIR
\t$(error Pass TFLM_DIR=, the folder of TensorFlow Lite for Microcontrollers)
endif
\t$(CXX) $(FLAGS) $(CXXFLAGS) $(INCLUDES) -c $< -o $@

clean:
\trm -f $(OBJECTS) golden_test
"""


def main_program(artifact: "Artifact", space: str) -> str:
    """The text of `main.cc`."""
    reset = ""
    if artifact.stateful:
        what = "sequence, not every step" if artifact.streaming else "sequence"
        reset = Template(_RESET).substitute(what=what)
    return _MAIN.substitute(
        space=space,
        reset=reset,
        fills=_each(_FILL, len(artifact.inputs), space),
        checks=_each(_CHECK, len(artifact.outputs), space),
    )


def _each(text: str, count: int, space: str) -> str:
    return "".join(Template(text).substitute(i=i, space=space) for i in range(count))
