"""The class of each pixel, from a small U-Net."""

import base64
from io import BytesIO
from typing import Annotated, Any, TypedDict

import torch
from lightning import LightningModule
from matplotlib.figure import Figure
from PIL import Image
from pydantic import Base64Bytes, Field
from torch import nn
from torch.nn import functional as F
from torchmetrics.classification import MulticlassJaccardIndex

from reproml import Evaluation

from ..data.scenes import pixels

Batch = tuple[torch.Tensor, torch.Tensor]  # images (n, 1, height, width) and masks (n, height, width)
SHOWN = 6  # test images


class Prediction(TypedDict):
    """The answer for an image."""

    mask: Annotated[str, Field(description="a PNG file of the same size, in base64; a pixel is the number of a class")]


def convolutions(inputs: int, outputs: int) -> nn.Sequential:
    """Return two convolutions that keep height and width."""
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Shrinks height and width to a quarter and back, with skip connections from the way down."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.first, self.second = convolutions(1, width), convolutions(width, 2 * width)
        self.lowest = convolutions(2 * width, 4 * width)
        self.up_to_second = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.second_again = convolutions(4 * width, 2 * width)
        self.up_to_first = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.first_again = convolutions(2 * width, width)
        self.output = nn.Conv2d(width, classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (n, 1, height, width), both sizes divisible by four, to logits (n, classes, height, width)."""
        first = self.first(images)
        second = self.second(F.max_pool2d(first, 2))
        lowest = self.lowest(F.max_pool2d(second, 2))
        second = self.second_again(torch.cat([second, self.up_to_second(lowest)], 1))
        first = self.first_again(torch.cat([first, self.up_to_first(second)], 1))
        return self.output(first)


class Segmentation(LightningModule):
    """Predicts the class of each pixel.

    Args:
        classes: names of the classes, in the order of their numbers in the masks.
        width: channels of the first convolutions.
        lr: learning rate.
    """

    def __init__(self, classes: list[str], width: int, lr: float) -> None:
        super().__init__()
        self.classes, self.lr = classes, lr
        self.network = UNet(width, len(classes))
        self.iou = MulticlassJaccardIndex(len(classes), average="none")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (n, 1, height, width) to logits (n, classes, height, width)."""
        return self.network(images)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        images, masks = batch
        loss = F.cross_entropy(self(images), masks)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        images, masks = batch
        logits = self(images)
        self.iou.update(logits, masks)
        self.log("val/loss", F.cross_entropy(logits, masks))

    def on_validation_epoch_end(self) -> None:
        self.log("val/iou", self.iou.compute().mean())
        self.iou.reset()

    def on_test_start(self) -> None:
        self.shown: list[tuple[torch.Tensor, ...]] = []

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        images, masks = batch
        logits = self(images)
        self.iou.update(logits, masks)
        self.log("loss", F.cross_entropy(logits, masks))
        self.shown += zip(images[:, 0].cpu(), masks.cpu(), logits.argmax(1).cpu(), strict=True)

    def evaluation(self) -> Evaluation:
        """Return the IoU of each class, and some masks."""
        values = self.iou.compute()
        self.iou.reset()
        per_class = dict(zip(self.classes, values.tolist(), strict=True))
        return Evaluation(
            metrics={"iou": values.mean().item()},
            headline="iou",
            kind="image-segmentation",
            examples=len(self.shown),
            tables={"per_class": [{"class": name, "iou": value} for name, value in per_class.items()]},
            figures={"masks": self._drawn()},
        )

    def _drawn(self) -> Figure:
        """Draw images, masks and predictions."""
        shown = self.shown[:SHOWN]
        figure = Figure(figsize=(1.4 * len(shown), 4.5), layout="constrained")
        axes: Any = figure.subplots(3, len(shown), squeeze=False)
        styles = [("gray", 1), ("viridis", len(self.classes) - 1), ("viridis", len(self.classes) - 1)]
        for column, pictures in zip(axes.T, shown, strict=True):
            for axis, picture, (colors, highest) in zip(column, pictures, styles, strict=True):
                axis.imshow(picture, cmap=colors, vmin=0, vmax=highest)
                axis.set_xticks([])
                axis.set_yticks([])
        for axis, name in zip(axes[:, 0], ("image", "mask", "predicted"), strict=True):
            axis.set_ylabel(name)
        return figure

    @torch.inference_mode()
    def predict(self, inputs: list[Base64Bytes]) -> list[Prediction]:
        """Return the mask of each image, given the content of its file, one by one: their sizes may differ."""
        return [Prediction(mask=self._mask(BytesIO(image))) for image in inputs]

    def _mask(self, file: BytesIO) -> str:
        image = pixels(file)[None, None].to(self.device) / 255
        height, width = image.shape[2:]
        logits = self(F.pad(image, (0, -width % 4, 0, -height % 4)))[0, :, :height, :width]
        written = BytesIO()
        Image.fromarray(logits.argmax(0).byte().cpu().numpy()).save(written, "PNG")
        return base64.b64encode(written.getvalue()).decode()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), self.lr)
