"""`benchmark --table`: the latency table that a budget of time needs."""

import argparse
import dataclasses

from keras_diffmask.export.cli.console import Console
from keras_diffmask.export.cli.files import read_model
from keras_diffmask.export.device_names import HOST


def measure_table(arguments: argparse.Namespace, console: Console) -> None:
    """Times a model's operators over numbers of channels, here or on a device."""
    model = read_model(arguments.table, False, console)
    where = "" if arguments.device == HOST else f" on {arguments.device}"
    with console.phase(f"operators{where}", max(len(model.layers), 1)) as advance:
        from keras_diffmask.export.latency import measure_latency

        table = measure_latency(
            model,
            device=arguments.device,
            rounds=arguments.rounds,
            progress=lambda done, total: advance(f"operator {done} of {total}"),
            benchmark_model=arguments.benchmark_model,
            cores=arguments.cores,
            timeout=arguments.timeout,
        )
    if arguments.output is not None:
        table.save(arguments.output)
    console.result(dataclasses.asdict(table), table.__str__)
