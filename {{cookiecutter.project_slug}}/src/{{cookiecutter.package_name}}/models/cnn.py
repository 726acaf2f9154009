"""A small convolutional network."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import nn

from reproml import ConfigError


class CNN(nn.Sequential):
    """Blocks of convolution, batch normalization, ReLU and pooling, then one hidden layer.

    Args:
        input_shape: (channels, height, width) of one image.
        outputs: how many there are: one for each class, or one for a quantity.
        channels: channels of each block; each block halves height and width.
        hidden: width of the hidden layer.
        dropout: probability of dropping an activation before and after the hidden layer.

    Raises:
        ConfigError: the inputs are not images, or are too small for so many blocks.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        outputs: int,
        channels: Sequence[PositiveInt],
        hidden: PositiveInt,
        dropout: Annotated[float, Field(ge=0, lt=1)],
    ) -> None:
        if len(input_shape) != 3:
            raise ConfigError(
                f"model=cnn needs images, but the inputs of this data have the shape {tuple(input_shape)}: "
                "choose model=mlp"
            )
        depth, height, width = input_shape
        if min(height, width) < 2 ** len(channels):
            raise ConfigError(
                f"model.channels={list(channels)} halves the image {len(channels)} times, "
                f"but it has only {height} x {width} pixels: give fewer channels"
            )
        layers: list[nn.Module] = []
        for next_depth in channels:
            layers += [
                nn.Conv2d(depth, next_depth, 3, padding=1, bias=False),
                nn.BatchNorm2d(next_depth),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
            depth, height, width = next_depth, height // 2, width // 2
        layers += [
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(depth * height * width, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
        ]
        super().__init__(*layers, nn.Linear(hidden, outputs))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map images (n, channels, height, width) to outputs (n, outputs)."""
        return super().forward(inputs)
