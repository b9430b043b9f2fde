"""`pyautograd train`, run as a user runs it."""

import csv
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from image_files import write_cifar, write_mnist

import pyautograd as ag
from pyautograd import cli
from pyautograd.data import load_digits
from pyautograd.training.network import convolutional_network
from pyautograd.training.settings import Settings
from pyautograd.training.trainer import Trainer

FILES = {"model.npz", "checkpoint.npz", "metrics.csv", "curves.png", "mistakes.png"}
COMMAND = [sys.executable, "-m", "pyautograd"]
# Steps are so small here that threads gain nothing, and on a busy machine wait for each other.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def pyautograd(*arguments, folder):
    """(status, standard output, standard error)."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def train(*arguments, folder):
    """What `pyautograd train` prints, which must succeed."""
    status, out, err = pyautograd("train", *arguments, folder=folder)
    assert status == 0, err
    assert err == ""
    return out


def same_weights(one, other):
    """Whether two files of weights hold the same bits."""
    a, b = (ag.load(path / "model.npz") for path in (one, other))
    assert a.keys() == b.keys()
    return all(np.asarray(a[key]).tobytes() == np.asarray(b[key]).tobytes() for key in a)


def metrics(run):
    """The lines of metrics.csv."""
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(folder, output) of a run of three epochs on the digits, with one thread."""
    folder = tmp_path_factory.mktemp("finished")
    out = train("--epochs", 3, "--out", "run", folder=folder)
    return folder / "run", out


def test_a_run_leaves_its_files_and_a_table(finished):
    folder, out = finished
    assert {path.name for path in folder.iterdir()} == FILES
    for picture in ("curves.png", "mistakes.png"):
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")
    assert "1,442 images to train on, 355 held out, 1x8x8" in out
    accuracy = re.search(r"accuracy +([\d.]+)% +([\d.]+)%", out)
    assert float(accuracy[2]) > 90
    assert "\x1b" not in out  # no colours or cursor movements where there is no terminal
    assert len(out.splitlines()) < 30


def test_metrics_have_a_line_an_epoch(finished):
    rows = metrics(finished[0])
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    losses = [float(row["train_loss"]) for row in rows]
    assert losses == sorted(losses, reverse=True)
    assert all(0 <= float(row["test_accuracy"]) <= 1 for row in rows)


def test_the_weights_do_their_work_alone(finished):
    digits = load_digits()
    model = convolutional_network(digits.train_images, 10)
    model.load_state_dict(ag.load(finished[0] / "model.npz"))
    model.eval()
    with ag.no_grad():
        said = model(ag.from_numpy(digits.test_images)).numpy().argmax(axis=1)
    last = metrics(finished[0])[-1]
    assert (said == digits.test_labels).mean() == pytest.approx(float(last["test_accuracy"]), 1e-5)


def test_the_seed_decides_the_weights_and_threads_do_not(finished, tmp_path):
    train("--epochs", 3, "--threads", 2, "--seed", 0, "--out", "again", folder=tmp_path)
    assert same_weights(finished[0], tmp_path / "again")
    train("--epochs", 3, "--seed", 1, "--out", "other", folder=tmp_path)
    assert not same_weights(finished[0], tmp_path / "other")


def start_and_stop(folder, *arguments, number=signal.SIGINT):
    """Sends a signal soon after the checkpoint of the first epoch; (status, output, errors)."""
    process = subprocess.Popen(
        [*COMMAND, "train", "--out", "run", *map(str, arguments)],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (folder / "run" / "checkpoint.npz").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_ctrl_c_leaves_a_checkpoint_that_ends_in_the_same_weights(tmp_path):
    arguments = ("--epochs", 8, "--batch-size", 24, "--lr", 0.002, "--seed", 7)
    status, out, err = start_and_stop(tmp_path, *arguments)
    assert (status, err) == (130, "")
    assert "pyautograd train --resume run" in out
    assert not (tmp_path / "run" / "model.npz").exists()

    out = train("--resume", "run", folder=tmp_path)
    assert "goes on in epoch" in out
    train(*arguments, "--out", "whole", folder=tmp_path)
    assert same_weights(tmp_path / "run", tmp_path / "whole")
    resumed, whole = metrics(tmp_path / "run"), metrics(tmp_path / "whole")
    for a, b in zip(resumed, whole, strict=True):
        for key in ("epoch", "learning_rate", "train_loss", "train_accuracy", "test_loss"):
            assert a[key] == b[key]


def test_sigterm_is_as_good_as_ctrl_c(tmp_path):
    status, out, err = start_and_stop(tmp_path, "--epochs", 50, number=signal.SIGTERM)
    assert (status, err) == (128 + signal.SIGTERM, "")
    assert "pyautograd train --resume run" in out


def run_steps(trainer, most=None):
    """Trains for that many steps, or to the end; returns how many there were."""
    done = 0
    while not trainer.finished and done != most:
        for _ in trainer.steps():
            done += 1
            if done == most:
                break
    return done


@pytest.fixture
def one_thread():
    """Small steps, as in ENVIRONMENT."""
    before = ag.get_num_threads()
    ag.set_num_threads(1)
    yield
    ag.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("stop_at", [0, 1, 17, 23, 24, 30])
def test_a_state_taken_after_any_step_goes_on_to_the_same_weights(tmp_path, stop_at):
    """In one process: stops after some steps, saves, and another trainer takes over."""
    digits = load_digits()
    settings = Settings(epochs=2)

    whole = Trainer(digits, settings)
    assert run_steps(whole) == 2 * len(whole.batches)
    first = Trainer(digits, settings)
    run_steps(first, stop_at)
    ag.save(first.state(), tmp_path / "state.npz")
    second = Trainer(digits, settings)
    ag.rand(5)  # whatever else has drawn numbers since
    second.load_state(ag.load(tmp_path / "state.npz"))
    assert second.steps_done == stop_at
    run_steps(second)
    for key, value in whole.model.state_dict().items():
        assert value.numpy().tobytes() == second.model.state_dict()[key].numpy().tobytes()
    for a, b in zip(whole.history, second.history, strict=True):
        assert (a.train_loss, a.train_accuracy, a.test_loss) == (
            b.train_loss,
            b.train_accuracy,
            b.test_loss,
        )


def test_a_finished_run_can_be_resumed_and_draws_its_report_again(finished, tmp_path):
    folder = finished[0]
    (folder / "curves.png").unlink()
    (folder / "model.npz").rename(tmp_path / "model.npz")
    train("--resume", folder / "checkpoint.npz", folder=tmp_path)
    assert (folder / "curves.png").exists()
    assert same_weights(folder, tmp_path)


@pytest.mark.parametrize(("write", "size"), [(write_mnist, "1x28x28"), (write_cifar, "3x32x32")])
def test_other_data(tmp_path, write, size):
    (tmp_path / "data").mkdir()
    write(tmp_path / "data")
    out = train("--data", "data", "--epochs", 1, "--batch-size", 7, folder=tmp_path)
    assert f"20 images to train on, {10 if size[0] == '1' else 4} held out, {size}" in out
    (run,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"(mnist|cifar10)-\d{8}-\d{6}", run.name)
    assert {path.name for path in run.iterdir()} == FILES

    (tmp_path / "data").rename(tmp_path / "moved")
    status, _, err = pyautograd("train", "--resume", run, folder=tmp_path)
    assert (status, err) == (1, f"pyautograd: --data: {tmp_path / 'data'} is not there\n")
    train("--resume", run, "--data", "moved", folder=tmp_path)


BAD = {
    "--lr -1": "--lr: expected a positive number, got -1.0",
    "--lr nan": "--lr: expected a positive number, got nan",
    "--lr much": "Invalid value for '--lr'",
    "--epochs 0": "--epochs: expected at least 1, got 0",
    "--epochs 1.5": "Invalid value for '--epochs'",
    "--batch-size 0": "--batch-size: expected at least 1, got 0",
    "--seed -3": "--seed: expected 0 or more, got -3",
    "--threads 0": "--threads: expected at least 1, got 0",
    "--data absent": "--data: absent is not there",
    "--data file": "--data: file is no folder",
    "--data empty": "--data: empty holds neither MNIST's files",
    "--data broken": "train-images-idx3-ubyte: expected an IDX file",
    "--out old": "--out: old already holds a run (checkpoint.npz); name another folder",
    "--out file": "--out: cannot make file",
    "--resume absent": "--resume: no file absent",
    "--resume empty": "--resume: no file empty/checkpoint.npz",
    "--resume old": "--resume: load: old/checkpoint.npz is damaged",
    "--resume old --lr 1": "--lr: not with --resume",
    "--resume old --out new": "--out: not with --resume",
    "--lr 1e30 --out new": "the loss became",
    "--wrong": "No such option: --wrong",
    "more": "unexpected extra argument",
}


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("arguments", BAD)
def test_a_bad_value_takes_one_line(tmp_path, monkeypatch, capsys, arguments):
    for name in ("empty", "old", "broken"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "old" / "checkpoint.npz").write_bytes(b"nothing of use")
    write_mnist(tmp_path / "broken")
    (tmp_path / "broken" / "train-images-idx3-ubyte").write_bytes(b"<html>")
    monkeypatch.chdir(tmp_path)
    result = cli.run(["train", *arguments.split()])
    error = result + "\n" if isinstance(result, str) else capsys.readouterr().err
    assert result != 0
    assert error.startswith("pyautograd: ")
    assert BAD[arguments] in error
    assert error.count("\n") == 1, error


def test_help_tells_every_option(tmp_path):
    status, out, err = pyautograd("train", "--help", folder=tmp_path)
    assert (status, err) == (0, "")
    options = ("data", "seed", "epochs", "batch-size", "lr", "out", "threads", "resume", "help")
    for option in options:
        assert f"--{option} " in out
    status, out, err = pyautograd("version", folder=tmp_path)
    assert (status, err) == (0, "")
    assert ag.__version__ in out


@pytest.mark.parametrize("module", ["typer", "rich", "matplotlib", "sklearn"])
def test_a_missing_extra_takes_one_line(tmp_path, module):
    program = (
        f"import sys; sys.modules[{module!r}] = None; sys.argv[1:] = ['train', '--epochs', '1']; "
        "from pyautograd.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install 'pyautograd[train]'" in done.stderr
    assert not list(tmp_path.iterdir())


def test_importing_pyautograd_loads_no_extra(tmp_path):
    program = (
        "import sys, pyautograd; from pyautograd import nn, optim, data; "
        "print([m for m in ('typer', 'rich', 'matplotlib', 'sklearn', 'pyautograd.training') "
        "if m in sys.modules])"
    )
    out = subprocess.check_output([sys.executable, "-c", program], cwd=tmp_path, text=True)
    assert out.strip() == "[]"


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_a_terminal_gets_a_live_bar(tmp_path):
    master, slave = os.openpty()
    environment = {**ENVIRONMENT, "TERM": "xterm-256color", "COLUMNS": "100"}
    with subprocess.Popen(
        [*COMMAND, "train", "--epochs", "1", "--out", "run"],
        cwd=tmp_path,
        stdout=slave,
        stderr=slave,
        env=environment,
    ) as process:
        os.close(slave)
        chunks = []
        while True:
            try:
                chunk = os.read(master, 65536)
            except OSError:  # how Linux tells that the other side is closed
                break
            if not chunk:
                break
            chunks.append(chunk)
    os.close(master)
    out = b"".join(chunks).decode()
    assert process.returncode == 0
    assert "epoch 1/1" in out
    assert "left" in out
    assert "━" in out
    assert re.search(r"loss \d\.\d+  acc \d+\.\d%", out)
