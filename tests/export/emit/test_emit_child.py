"""The converter process: dies, hangs, is interrupted, and leaves nothing behind."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_diffmask import errors, export
from keras_diffmask.errors import ConversionError, UnsupportedModelError
from keras_diffmask.export.emit import job as jobs


@pytest.fixture(scope="module")
def tiny():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], name="tiny")


def replace_worker(monkeypatch, code):
    """Makes `code` run in the worker's place, with the job directory as cwd."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    monkeypatch.setattr(jobs, "worker_command", lambda job: command)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL", "SIGABRT"])
def test_death_by_signal_is_one_sentence(tiny, monkeypatch, private_tmp, name):
    replace_worker(
        monkeypatch, f"import os, signal; os.kill(os.getpid(), signal.{name})"
    )
    with pytest.raises(ConversionError, match=f"its death by {name}") as caught:
        export.to_tflite(tiny)
    assert "\n" not in str(caught.value)
    assert not list(private_tmp.iterdir())


def test_exit_status_is_reported(tiny, monkeypatch, private_tmp):
    replace_worker(monkeypatch, "raise SystemExit(3)")
    with pytest.raises(ConversionError, match="received exit status 3"):
        export.to_tflite(tiny)
    assert not list(private_tmp.iterdir())


def test_an_end_without_a_result_is_reported(tiny, monkeypatch):
    replace_worker(monkeypatch, "pass")
    with pytest.raises(ConversionError, match="none, though it ended well"):
        export.to_tflite(tiny)


def test_errors_cross_the_process_with_their_type(tiny, monkeypatch):
    replace_worker(
        monkeypatch,
        """
        import json
        error = dict(type="UnsupportedModelError", expected="this",
                     received="that", next_step="Do so.")
        json.dump({"error": error}, open("report.json", "w"))
        raise SystemExit(1)
        """,
    )
    with pytest.raises(UnsupportedModelError) as caught:
        export.to_tflite(tiny)
    assert str(caught.value) == "Expected this; received that. Do so."


def test_timeout_kills_the_child(tiny, monkeypatch, private_tmp, tmp_path):
    pid_file = tmp_path / "pid"
    replace_worker(monkeypatch, hang(pid_file))
    with pytest.raises(ConversionError, match="within 1 seconds"):
        export.to_tflite(tiny, timeout=1.0)
    assert_gone(pid_file)
    assert not list(private_tmp.iterdir())


def test_keyboard_interrupt_kills_the_child(tiny, monkeypatch, private_tmp, tmp_path):
    pid_file = tmp_path / "pid"
    replace_worker(monkeypatch, hang(pid_file))

    def interrupt():
        while not pid_file.exists() or not pid_file.read_text():
            time.sleep(0.02)
        time.sleep(0.5)  # on a busy machine the parent may still be inside Popen
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    # Started in the background by a shell, Python finds SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    # What a signal raises inside of one of the collector's callbacks (hypothesis has
    # one) is lost.
    gc.disable()
    try:
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            export.to_tflite(tiny, timeout=60)
        thread.join()
    finally:
        gc.enable()
        signal.signal(signal.SIGINT, before)
    assert_gone(pid_file)
    assert not list(private_tmp.iterdir())


def hang(pid_file: Path) -> str:
    return f"""
    import os, time
    open({str(pid_file)!r}, "w").write(str(os.getpid()))
    time.sleep(60)
    """


def assert_gone(pid_file):
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_converter_errors_become_one_sentence(private_tmp):
    # The Lambda's code reaches the child, the names it refers to do not.
    inputs = keras.Input((4,))
    outputs = keras.layers.Lambda(lambda x: scale_by_two(x), output_shape=(4,))(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(outputs))
    with pytest.raises(ConversionError, match="scale_by_two") as caught:
        export.to_tflite(model)
    assert "a model TensorFlow's converter accepts" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(private_tmp.iterdir())


def scale_by_two(x):
    return 2.0 * x


def test_importing_and_refusing_do_not_import_tensorflow():
    code = """
        import sys
        from keras_diffmask import export
        import keras
        from keras_diffmask.errors import InvalidArgumentError
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        try:
            export.to_tflite(model, "int8")
        except InvalidArgumentError:
            print("refused")
        sys.exit("tensorflow" in sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": package_root()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "refused" in done.stdout


def test_converts_under_jax_from_an_uninstalled_package(tmp_path):
    pytest.importorskip("jax")
    code = """
        import sys
        import keras
        from keras_diffmask import export
        inputs = keras.Input((5, 3))
        model = keras.Model(inputs, keras.layers.LSTM(2)(inputs))
        artifact = export.to_tflite(model, name="tiny")
        assert keras.backend.backend() == "jax"
        assert artifact.agreement.max_error <= 1e-5, artifact.agreement
        print(artifact.name, *artifact.ops)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": package_root()},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "tiny UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE\n"


def package_root():
    return str(Path(errors.__file__).parent.parent)


@pytest.mark.parametrize("quantization", ["int8", None])
def test_names_that_tensorflow_refuses(quantization):
    inputs = keras.Input((6, 6, 2), name="an image")
    x = keras.layers.Conv2D(4, 3, name="a <conv> & co")(inputs)
    outputs = keras.layers.Dense(3, name="-")(keras.layers.Flatten()(x))
    model = keras.Model(inputs, outputs, name="my model")
    x = np.random.default_rng(0).standard_normal((64, 6, 6, 2), "float32")
    artifact = export.to_tflite(model, quantization, calibration=x)
    assert artifact.name == "my model"
    # Not predict: compiled, Keras itself fails on these names under TensorFlow.
    expected = keras.ops.convert_to_numpy(model(x))
    tolerance = 1e-5 if quantization is None else 0.05
    assert np.abs(artifact.run(x) - expected).max() <= tolerance * np.ptp(expected)
    assert model.name == "my model" and model.layers[1].name == "a <conv> & co"
