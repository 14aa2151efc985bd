"""Per-operation times: the cuts compute the same, and the shares add up."""

import numpy as np
import pytest

from keras_diffmask import export
from keras_diffmask.export.benchmarking import per_op
from keras_diffmask.export.benchmarking.host import InterpreterRunner
from keras_diffmask.export.flatbuffer import read_subgraphs

CNN_OPS = ["CONV_2D", "MEAN", "FULLY_CONNECTED"]


@pytest.mark.parametrize("model", ["cnn", "cnn_int8", "lstm"])
def test_each_cut_computes_what_it_did_in_the_model(model, request):
    content = request.getfixturevalue(model)
    values = per_op.recorded_values(content)
    graph = read_subgraphs(content)[0]
    cuts = per_op.cut_ops(content)
    assert len(cuts) == len(graph.ops)
    for op, (cut, inputs) in zip(graph.ops, cuts, strict=True):
        assert [alone.name for alone in read_subgraphs(cut)[0].ops] == [op.name]
        assert len(cut) < len(content)
        runner = InterpreterRunner(cut, inputs=[values[i] for i in inputs])
        runner.prepare()
        runner.run()
        detail = runner.interpreter.get_output_details()[0]
        found = runner.interpreter.get_tensor(detail["index"])
        expected = values[op.outputs[0]]
        # XNNPACK rounds integers in its own way: one step apart at most.
        step = 1 if found.dtype == np.int8 else 1e-5
        difference = found.astype(float) - expected.astype(float)
        assert np.abs(difference).max() <= step


@pytest.mark.parametrize("model", ["cnn", "cnn_int8"])
def test_names_and_shares(model, request):
    content = request.getfixturevalue(model)
    result = export.benchmark(
        {"m": content}, rounds=2, seconds=0.002, warmup=2, per_op=True
    )
    table = result["m"].ops
    assert [op.op for op in table.ops] == CNN_OPS
    assert [op.index for op in table.ops] == [0, 1, 2]
    assert all(op.output for op in table.ops)
    assert sum(op.share for op in table.ops) == pytest.approx(1)
    assert table.sum_us == pytest.approx(sum(op.median_us for op in table.ops))
    assert table.whole_us > 0
    assert "CONV_2D" in result.table()
    assert type(result).from_json(result.to_json()) == result


def test_the_lstm_is_one_of_the_operations(lstm):
    table = per_op.op_table(lstm, 1, rounds=2, seconds=0.002, warmup=2)
    names = [op.op for op in table.ops]
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" in names
    assert all(op.median_us is not None for op in table.ops)


def test_shares_on_a_fake_clock(stage, cnn):
    clock, _, make = stage
    costs = {"whole": 5000, "0": 3000, "2": 1000}
    runners = {name: make(name, cost) for name, cost in costs.items()}
    table = per_op._table(cnn, runners, 4, 0.001, 3, clock)
    assert [op.median_us for op in table.ops] == [3.0, None, 1.0]
    assert [op.share for op in table.ops] == [0.75, None, 0.25]
    assert (table.sum_us, table.whole_us) == (4.0, 5.0)


def test_an_operation_that_cannot_run_alone_is_listed_untimed(cnn, monkeypatch):
    cuts = per_op.cut_ops(cnn)
    monkeypatch.setattr(
        per_op, "cut_ops", lambda _: [(b"\0\0\0\0TFL3", cuts[0][1]), *cuts[1:]]
    )
    table = per_op.op_table(cnn, 1, rounds=1, seconds=0.001, warmup=1)
    assert table.ops[0].median_us is None and table.ops[0].op == "CONV_2D"
    assert table.ops[1].median_us > 0
