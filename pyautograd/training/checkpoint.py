"""Checkpoint files: the trainer's state with the settings and the data it belongs to."""

from __future__ import annotations

import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyautograd as ag
from pyautograd.data.images import ImageSet
from pyautograd.training.settings import RunError, Settings
from pyautograd.training.trainer import Trainer

FORMAT = 1


def fingerprint(images: ImageSet) -> str:
    """Tells one data set from another: name, shapes and a checksum of the labels."""
    checksum = zlib.crc32(images.test_labels.tobytes(), zlib.crc32(images.train_labels.tobytes()))
    shapes = ["x".join(map(str, part.shape)) for part in (images.train_images, images.test_images)]
    return f"{images.name} {shapes[0]} {shapes[1]} {checksum:08x}"


def save_checkpoint(path: Path, trainer: Trainer) -> None:
    """Writes the file; one that is there stays whole until the new one is complete."""
    contents = {
        "format": FORMAT,
        "settings": asdict(trainer.settings),
        "data": fingerprint(trainer.images),
        **trainer.state(),
    }
    ag.save(contents, path)


def read_checkpoint(path: Path) -> tuple[Settings, dict[str, Any]]:
    """The settings and everything in the file. Raises RunError for a file that is none."""
    try:
        contents = ag.load(path)
    except FileNotFoundError:
        raise RunError(f"--resume: no file {path}") from None
    except (OSError, ValueError) as error:
        raise RunError(f"--resume: {error}") from error
    known = isinstance(contents, dict) and contents.get("format")
    if known != FORMAT:
        raise RunError(f"--resume: {path} is no checkpoint of this program (format {FORMAT})")
    try:
        return Settings(**contents["settings"]), contents
    except (KeyError, TypeError) as error:
        raise _unusable(path, error) from error


def restore(path: Path, contents: dict[str, Any], trainer: Trainer) -> None:
    """Brings the trainer to the state in the file. Raises RunError where they do not fit."""
    if contents["data"] != fingerprint(trainer.images):
        raise RunError(
            f"--resume: {path} was made with other data ({contents['data']}), this is "
            f"{fingerprint(trainer.images)}"
        )
    try:
        trainer.load_state(contents)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> RunError:
    return RunError(f"--resume: {path} is no usable checkpoint: {error!r}")
