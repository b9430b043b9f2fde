"""The examples run as they stand and show what they promise."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(name, *arguments, folder):
    """(status, standard output, standard error) of an example, run as a reader would run it."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def printed(name, folder):
    """What an example prints, as {text before the list: the list}."""
    status, out, err = run(name, folder=folder)
    assert status == 0, err
    return {
        line[: line.index("[")].strip(): ast.literal_eval(line[line.index("[") :])
        for line in out.splitlines()
    }


def two_stack(expression, folder):
    """The value, and [(number as written, its gradient), ...]."""
    status, out, err = run("two_stack.py", expression, folder=folder)
    assert status == 0, err
    value = re.match(r"value (\S+)\n", out)
    gradients = re.findall(r"^d value / d (\S+) = (\S+)$", out, re.MULTILINE)
    return float(value[1]), [(number, float(gradient)) for number, gradient in gradients]


def test_two_stacks(tmp_path):
    value, gradients = two_stack("(2*100 + 3*150) * 1.1", tmp_path)
    assert value == pytest.approx(715, rel=1e-12)
    assert [number for number, _ in gradients] == ["2", "100", "3", "150", "1.1"]
    assert [g for _, g in gradients] == pytest.approx([110, 2.2, 165, 3.3, 650], rel=1e-12)


@pytest.mark.parametrize(
    ("expression", "value", "gradients"),
    [
        ("2 + 3 * 4", 14, [1, 4, 3]),
        ("10 - 4 - 3", 3, [1, -1, -1]),
        ("-2 * -(3 + 1)", 8, [4, 2, 2]),
        ("8 / 4 / 2", 1, [0.125, -0.25, -0.5]),
        ("--.5e1", 5, [1]),
        ("((7))", 7, [1]),
    ],
)
def test_two_stacks_precedence_and_signs(expression, value, gradients, tmp_path):
    found, found_gradients = two_stack(expression, tmp_path)
    assert found == pytest.approx(value)
    assert [g for _, g in found_gradients] == pytest.approx(gradients)


@pytest.mark.parametrize(
    ("expression", "message", "caret"),
    [
        ("2 +", "expected a number, '-' or '('", 3),
        ("2 $ 3", "cannot read '$'", 2),
        ("1 + (2 * 3", "nothing closes this '('", 4),
        ("1 + 2)", "nothing opens this ')'", 5),
        ("2 3", "expected an operator", 2),
        ("2 (3)", "expected an operator", 2),
        ("()", "expected a number, '-' or '('", 1),
        ("", "expected a number, '-' or '('", 0),
        ("1 * / 2", "expected a number, '-' or '('", 4),
    ],
)
def test_two_stacks_put_a_caret_under_the_error(expression, message, caret, tmp_path):
    status, out, err = run("two_stack.py", expression, folder=tmp_path)
    assert status == 1
    assert out == ""
    assert err == f"error: {message}\n  {expression}\n  {' ' * caret}^\n"


def test_three_weights(tmp_path):
    status, out, err = run("three_weights.py", folder=tmp_path)
    assert status == 0, err
    losses = [float(loss) for loss in re.findall(r"loss (\S+)", out)]
    assert len(losses) > 4
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 1e-3 * losses[0]
    assert float(re.search(r"largest difference .*: (\S+)", out)[1]) < 1e-13


def test_convolution_by_hand(tmp_path):
    found = printed("conv_by_hand.py", tmp_path)
    assert found["output"] == [[54, 63], [90, 99]]
    assert found["weight gradient"] == [[3.5, 4.5, 5.5], [7.5, 8.5, 9.5], [11.5, 12.5, 13.5]]


def test_pooling_by_hand(tmp_path):
    found = printed("pool_by_hand.py", tmp_path)
    rows = [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0.25, 0.25], [0, 0, 0.25, 0.25]]
    assert found["max pooling"] == rows
    coverage = [[1, 2, 2, 1], [2, 4, 4, 2], [2, 4, 4, 2], [1, 2, 2, 1]]
    assert found["average pooling"] == [[count / 36 for count in row] for row in coverage]


def test_convolution_as_a_matrix_product(tmp_path):
    status, out, err = run("conv_as_matmul.py", folder=tmp_path)
    assert status == 0, err
    differences = [float(x) for x in re.findall(r"difference (\S+)$", out, re.MULTILINE)]
    assert len(differences) == 3
    assert max(differences) < 1e-12


def test_static_and_dynamic(tmp_path):
    status, out, err = run("static_vs_dynamic.py", "--steps", "20", folder=tmp_path)
    assert (status, err) == (0, "")
    losses = [line.split()[1:] for line in re.findall(r"^  \w+ +(?:0\.\d{9} ?){4}$", out, re.M)]
    assert len(losses) == 3
    assert losses[0] == losses[1] == losses[2]
    assert re.search(r"float32\[N, 16\] = linear\(x, p1, p2\)", out)
    assert "linear: expected x with 2 features (weight (16, 2)), got x (N, 3)" in out
    assert len(re.findall(r"us, +[\d.]+ times as fast", out)) == 3


def test_the_examples_of_the_readme(tmp_path):
    text = (EXAMPLES.parent / "README.md").read_text()
    program = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    (tmp_path / "readme.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "-W", "error", "readme.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert float(re.search(r"accuracy ([\d.]+)%", done.stdout)[1]) > 97


def test_save_on_disk(tmp_path):
    status, out, err = run("save_on_disk.py", folder=tmp_path)
    assert status == 0, err
    same, memory, files = out.splitlines()
    assert same == "same gradient: True"
    in_memory, on_disk = (int(n) for n in re.findall(r"\d+", memory))
    assert on_disk < in_memory / 3
    assert files == "files while the graph is there: 20, after backward: 0"
