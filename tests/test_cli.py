"""The command line, run as a user runs it."""

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
from pyautograd.expression import evaluate
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


# ---- explain -------------------------------------------------------------------------------------


def explain(capsys, *arguments):
    """(status, standard output, standard error), in this process."""
    status = cli.run(["explain", *arguments])
    out = capsys.readouterr()
    return status, out.out, out.err


def test_explain_shows_steps_graph_and_gradients(tmp_path):
    status, out, err = pyautograd("explain", "(2*100 + 3*150) * 1.1", folder=tmp_path)
    assert (status, err) == (0, "")
    assert "\x1b" not in out
    assert re.search(r"15 +end +apply: 650 \* 1.1 = 715 +715", out)
    assert re.search(r"8 +\* +push \* +200 3 +\( \+ \*", out)
    assert "* = 715   gradient 1\n├─ + = 650   gradient 1.1" in out
    assert re.search(r"\n100 +100 +2.2\n", out)


VALUES = {
    "1 + 2*3": 7.0,
    "2^3^2": 512.0,
    "2**-1": 0.5,
    "-2^2": -4.0,
    "--2": 2.0,
    "---2": -2.0,
    "8/4/2": 1.0,
    "2-3-4": -5.0,
    "-(1 - 2) * +3": 3.0,
    "sqrt(16) + exp(0)": 5.0,
    "max(1, min(5, 3))": 3.0,
    "relu(-1) + abs(-2)": 2.0,
    "2 × 3 ÷ 4 − 1": 0.5,
    ".5 + 1e-1 + 1.": 1.6,
    "cos(π)": -1.0,
    "1/0": float("inf"),
    "1e400": float("inf"),
}


@pytest.mark.parametrize("text", VALUES)
def test_values(text):
    assert evaluate(text).result.value == pytest.approx(VALUES[text])


def test_values_that_are_none(capsys):
    for text in ("0/0", "log(-1)", "nan"):
        found = evaluate(text, {"nan": float("nan")})
        assert np.isnan(found.result.value)
    status, out, err = explain(capsys, "0/0 + log(0-1)")
    assert (status, err) == (0, "")
    assert "The result is nan" in out


def test_html_writes_the_page(capsys, tmp_path, monkeypatch):
    pytest.importorskip("igraph")
    monkeypatch.chdir(tmp_path)
    status, out, err = explain(capsys, "2*x + 2", "--let", "x=3", "--html", "page.html")
    assert (status, err) == (0, "")
    assert out.endswith("page.html steps through it in a browser.\n")
    page = (tmp_path / "page.html").read_text()
    assert "2*x + 2" in page
    assert '"2 (2)"' in page
    status, out, err = explain(capsys, "2", "--html", "absent/page.html")
    assert "No such file" in status


def test_a_name_is_one_number_however_often_it_stands(capsys):
    status, out, _ = explain(capsys, "x*x + 3*x", "--let", "x=5", "--let", "人=1")
    assert status == 0
    assert re.search(r"\nx +5 +13\n", out)
    status, out, _ = explain(capsys, "-x + 人", "--let", "x=2", "--let", "人=1")
    assert status == 0
    assert "The result is -1" in out
    assert explain(capsys, "2", "+", "3")[0] == 0


MISTAKES = {
    "": (1, "expected a number, a name or '('"),
    "   ": (1, "expected a number, a name or '('"),
    "2 +": (4, "expected a number, a name or '('"),
    "2 3": (3, "expected an operator"),
    "2 $ 3": (3, "cannot read '$'"),
    "((1)": (1, "nothing closes this '('"),
    "1)": (2, "nothing opens this ')'"),
    "()": (2, "expected a number, a name or '('"),
    "sin 2": (5, "expected '(' after sin"),
    "sin": (4, "expected '(' after sin"),
    "max(1)": (1, "max takes 2 arguments, got 1"),
    "max(1,2,3)": (1, "max takes 2 arguments, got 3"),
    "(1,2)": (3, "a comma separates the arguments of max and min only"),
    "sin(1,2)": (6, "a comma separates the arguments of max and min only"),
    "2*y": (3, "unknown name 'y'; give it a value by --let y=1"),
    "人+": (3, "expected a number, a name or '('"),
    "3 人": (3, "expected an operator"),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_pointed_at(capsys, text):
    column, message = MISTAKES[text]
    status, out, err = explain(capsys, text, "--let", "人=1")
    assert (status, out) == (2, "")
    said, shown, caret = err.rstrip("\n").split("\n")
    # The shell's quotes keep spaces at the ends, the message does not count them.
    assert said == f"pyautograd: column {column}: {message}"
    assert shown.strip() == text.strip()
    wide = sum(c == "人" for c in text[: column - 1])  # takes two columns
    assert caret == " " * (2 + column - 1 + wide) + "^"


def test_a_mistake_in_a_long_expression_shows_its_surroundings(capsys):
    text = "1+" * 5000 + "+" + "*" + "+1" * 5000
    status, _, err = explain(capsys, text)
    assert status == 2
    said, shown, caret = err.rstrip("\n").split("\n")
    assert "column 10002" in said
    assert shown[len(caret) - 1] == "*"
    assert max(len(shown), len(caret)) < 200


@pytest.mark.parametrize("option", ["x", "=3", "x=", "x=a", "1x=2", "sin=3", "pi=3"])
def test_let_takes_a_name_and_a_number(capsys, option):
    status, out, err = explain(capsys, "1", "--let", option)
    assert (status, out) == (2, "")
    assert "--let: " in err
    assert err.count("\n") == 1


def test_long_and_deep_expressions(capsys):
    text = "+".join(["1.5*2"] * 16_667)
    assert len(text) > 100_000
    status, out, err = explain(capsys, text)
    assert (status, err) == (0, "")
    assert "The result is 50001" in out
    assert "more steps" in out
    assert len(out) < 20_000
    deep = "(" * 10_000 + "1" + "+1)" * 10_000
    status, out, err = explain(capsys, deep)
    assert "The result is 10001" in out
    status, out, err = explain(capsys, "-" * 10_000 + "1", "--all")
    assert "The result is 1;" in out
    assert len(out.splitlines()) > 20_000


def test_everything_is_shown_if_asked_for(capsys):
    text = "+".join(["1"] * 60)
    status, out, _ = explain(capsys, text)
    assert "Cut short; --all" in out.replace(":", ";")
    status, out, _ = explain(capsys, text, "--all")
    assert status == 0
    assert "more steps" not in out
    assert "Cut short" not in out


def test_a_reader_that_closes_early_and_ctrl_c(tmp_path):
    command = [*COMMAND, "explain", "--all", "+".join(["1"] * 3000)]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) != 0
    with subprocess.Popen(
        [*COMMAND, "bench"], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        # A shell starts jobs in the background such that they and their children ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        assert b"limits" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b""
        # Python itself may end by the signal, where it was executing a string: 130 in a shell.
        assert process.wait(timeout=60) in (130, -signal.SIGINT)


# ---- the others ----------------------------------------------------------------------------------


def test_info_and_help(tmp_path):
    status, out, err = pyautograd("info", folder=tmp_path)
    assert (status, err) == (0, "")
    for part in ("pyautograd 0.", "instruction set:", "threads:", "memory:", "numpy"):
        assert part in out
    for command in ("explain", "info", "bench", "train"):
        status, out, err = pyautograd(command, "--help", folder=tmp_path)
        assert (status, err) == (0, "")
        assert out.startswith(f"Usage: pyautograd {command}")
    status, out, err = pyautograd("--help", folder=tmp_path)
    assert {"explain", "info", "bench", "train"} <= set(out.split())


@pytest.mark.parametrize("arguments", ["explan", "info more", "explain", "bench --threads few"])
def test_wrong_use_takes_one_line(tmp_path, arguments):
    status, out, err = pyautograd(*arguments.split(), folder=tmp_path)
    assert (status, out) == (2, "")
    assert err.startswith("pyautograd: ")
    assert err.count("\n") == 1


def test_bench_measures_the_rows_that_are_asked_for(tmp_path):
    status, out, err = pyautograd("bench", "--only", "softmax", "--threads", 1, folder=tmp_path)
    assert (status, err) == (0, "")
    assert re.search(r"softmax, 4096x768 +[\d,.]+ +[\d.]+ GB/s +\d+%", out)
    assert "matmul" not in out
    assert pyautograd("bench", "--only", "nothing", folder=tmp_path)[0] == 1


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


@pytest.mark.parametrize("module", ["typer", "rich", "matplotlib"])
def test_explain_needs_less(tmp_path, module):
    program = (
        f"import sys; sys.modules[{module!r}] = None; sys.argv[1:] = ['explain', '1']; "
        "from pyautograd.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    if module == "matplotlib":
        assert done.returncode == 0
    else:
        expected = f"pyautograd: {module} missing: pip install 'pyautograd[cli]'\n"
        assert (done.returncode, done.stderr) == (1, expected)


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
