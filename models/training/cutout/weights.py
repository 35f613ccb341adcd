"""Weights to go on from: small, readable without running any code, kept in start/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

COARSE = Path(__file__).parent / "start" / "coarse.safetensors"


def keep(model: nn.Module, file: Path, step: int) -> None:
    """Write a network's weights whole or not at all; matrices as fp16, normalisation and biases as they are.

    Args:
        model: mostly the running average.
        file: a .safetensors file.
        step: how many steps it was trained, for the file's metadata.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    state = {k: v.half() if v.ndim > 1 else v for k, v in model.state_dict().items()}
    part = file.with_name(file.name + ".part")
    save_file({k: v.contiguous().cpu() for k, v in state.items()}, part, {"steps": str(step)})
    part.replace(file)


def read(file: Path) -> dict[str, Tensor]:
    """What `keep` wrote, as float32.

    Raises:
        ValueError: the file is no such file.
    """
    try:
        return {k: v.float() if v.dtype == torch.float16 else v for k, v in load_file(file).items()}
    except SafetensorError as error:
        raise ValueError(f"{file} does not hold this network's weights: {str(error).splitlines()[0]}") from error


def take(model: nn.Module, file: Path) -> None:
    """Load what `keep` wrote.

    Raises:
        ValueError: the file is no such file, or of another network.
    """
    try:
        model.load_state_dict(read(file))
    except RuntimeError as error:
        raise ValueError(f"{file} does not hold this network's weights: {str(error).splitlines()[0]}") from error


def blend(model: nn.Module, files: Sequence[Path]) -> None:
    """Take the mean of a network's weights and of those of other runs that it went on from, or that went on from it.

    The ends of one training lie in one valley, and their mean errs less wildly than each. Source: Wortsman and
    others, Model soups: averaging weights of multiple fine-tuned models, 2022.

    Raises:
        ValueError: a file is no such file, or of another network.
    """
    states = [{k: v.clone() for k, v in model.state_dict().items()}]
    for file in files:
        take(model, file)
        states.append({k: v.clone() for k, v in model.state_dict().items()})
    for name, value in model.state_dict().items():
        if value.dtype.is_floating_point:
            value.copy_(torch.stack([state[name] for state in states]).mean(0))
        else:
            value.copy_(states[0][name])
