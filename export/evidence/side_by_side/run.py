"""Ours beside what else prunes, on one network, from data to table."""

from pathlib import Path

from keras_diffmask import plots
from keras_diffmask.export.demo.folder import results_folder
from keras_diffmask.export.demo.reporter import Reporter
from keras_diffmask.export.evidence import keyed
from keras_diffmask.export.evidence.families import RESNET8, family_for
from keras_diffmask.export.evidence.peers.interpreter import missing, require
from keras_diffmask.export.evidence.peers.peer import PEERS, Peer
from keras_diffmask.export.evidence.pruning.methods import DENSE, RANKED
from keras_diffmask.export.evidence.pruning.trainings import Trainings, seeds_of
from keras_diffmask.export.evidence.report import Report, report_of
from keras_diffmask.export.evidence.settings import Settings
from keras_diffmask.export.evidence.side_by_side import table as peers_table

NAME = "peers"
SEEDS = 3
#: What is left of the dense network's MACs, or of its weights.
SHARE = 0.3


def peers(settings: Settings, reporter: Reporter) -> Report:
    """Trains a network dense, with this library, and with others that prune.

    Which network the data say: a DS-CNN for Speech Commands, two LSTM layers for UCI
    HAR, else a ResNet-8.

    All get the same data, initial weights, batches, optimizer, learning rates and
    number of epochs in all; every decision falls after half of them. This library
    has its default settings, once with learned scales and once with the default
    estimator, and for a ResNet-8 `Budget(charged="lowest")` besides; those of the
    peers are their own examples', with what was chosen on validation parts in
    `peers.peer`. A peer trains in a process of its own; its
    network comes back to Keras, so that its files are made and measured as ours are.

    Args:
        settings: what to do; the data are those in `data_dir`, by default the
            digits of scikit-learn.
        reporter: shows the progress.

    Returns:
        The `Report`. In the folder `settings.out` lie `peers.json`, the picture
        `peers.png` and the figures of each training under `runs`.

    Raises:
        DiffmaskError: the data or the folder cannot be used, or a peer is not
            installed; a quick run goes without it, and says so.
    """
    family = family_for(settings.data_dir)
    able = {name: one for name, one in PEERS.items() if family.name in one.networks}
    absent = _absent(able, settings.quick)
    left_out = {*absent, *(name for name in PEERS if name not in able)}
    if family is not RESNET8:
        left_out.add(RANKED)
    wanted = [
        (method, 1.0 if method == DENSE else SHARE)
        for method in peers_table.METHODS
        if method not in left_out
    ]
    seeds = seeds_of(settings, SEEDS)
    trials: peers_table.Trials = {method: [] for method, _ in wanted}
    for seed in range(seeds):
        trainings = Trainings(settings, seed, seeds, reporter)
        found = {
            method: {
                **trainings.figures(method, share),
                "files": {
                    name: trainings.file(method, share, name)
                    for name in peers_table.FILES
                },
            }
            for method, share in wanted
        }
        # Last, and all at once: nothing else is done on this computer meanwhile.
        times = trainings.latency(wanted, peers_table.FILES)
        for method, figures in found.items():
            latency = {name: times[name][method] for name in peers_table.FILES}
            trials[method].append({**figures, "latency": latency})
    return _report(settings, trainings, trials, absent, results_folder(settings.out))


def _absent(peers: dict[str, Peer], is_quick: bool) -> dict[str, list[str]]:
    """Peer -> the packages that it lacks, where that is allowed.

    Args:
        peers: those that can prune the network.
        is_quick: whether it is allowed.

    Raises:
        MissingDependencyError: it is not.
    """
    if not is_quick:
        for peer in peers.values():
            require(peer)
        return {}
    lacking = {name: missing(peer) for name, peer in peers.items()}
    return {name: packages for name, packages in lacking.items() if packages}


def _report(
    settings: Settings,
    trainings: Trainings,
    trials: peers_table.Trials,
    absent: dict[str, list[str]],
    folder: Path,
) -> Report:
    data, recipe, family = trainings.data, trainings.recipe, trainings.family
    seeds = len(trials[DENSE])
    picture = plots.paired_figure(
        peers_table.columns(trials),
        folder / f"{NAME}.png",
        f"{family.label} on {data.name}, {SHARE:.0%} of the MACs (tfmot: of weights)",
        "test accuracy %",
    )
    report = report_of(
        NAME,
        settings,
        (
            f"{data.note or data.name}: {len(data.x_train):,} examples to train on, "
            f"{len(data.x_test):,} to test.",
            f"{family.label}, budget {SHARE:.0%} of the MACs, {recipe.epochs} epochs "
            f"in all for every network, batch {recipe.batch_size}, seeds: {seeds}. "
            "Every decision falls after half of the epochs.",
        ),
        peers_table.tables(trials),
        peers_table.notes(trials, absent, family),
        {
            **keyed.facts(data, recipe, seeds),
            "peers": {
                name: {
                    "settings": peer.settings,
                    "versions": trials[name][0]["versions"],
                }
                for name, peer in PEERS.items()
                if name in trials
            },
            "absent": absent,
            "summary": peers_table.summary(trials),
            "trials": trials,
        },
        [picture],
        sum(one["seconds"] for figures in trials.values() for one in figures),
    )
    report.save(folder)
    return report
