"""A multilayer perceptron."""

from collections.abc import Sequence
from math import prod
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import nn


class MLP(nn.Sequential):
    """Linear layers with batch normalization, ReLU and dropout between them.

    Args:
        input_shape: shape of one input, of any number of dimensions.
        outputs: how many there are: one for each class, or one for a quantity.
        hidden: width of each hidden layer.
        dropout: probability of dropping an activation.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        outputs: int,
        hidden: Sequence[PositiveInt],
        dropout: Annotated[float, Field(ge=0, lt=1)],
    ) -> None:
        layers: list[nn.Module] = [nn.Flatten()]
        width = prod(input_shape)
        for next_width in hidden:
            layers += [nn.Linear(width, next_width), nn.BatchNorm1d(next_width), nn.ReLU()]
            if dropout > 0:
                layers.append(nn.Dropout(dropout))
            width = next_width
        super().__init__(*layers, nn.Linear(width, outputs))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map inputs (n, *input_shape) to outputs (n, outputs)."""
        return super().forward(inputs)
