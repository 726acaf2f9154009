"""Classification of photos of any size."""

from io import BytesIO
from typing import Annotated, TypedDict

import torch
from lightning import LightningModule
from PIL import Image
from pydantic import Base64Bytes, Field
from torch import nn
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy

from reproml import Evaluation, classification

from ..data.photos import pixels

Batch = tuple[torch.Tensor, torch.Tensor]  # images (n, 3, height, width) and classes (n,)


class Prediction(TypedDict):
    """The answer for a photo."""

    predicted: Annotated[str, Field(description="the most probable class")]
    probability: Annotated[float, Field(description="its probability")]


def block(inputs: int, outputs: int) -> nn.Sequential:
    """Return a convolution that halves height and width."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)
    )


class PhotoClassifier(LightningModule):
    """A convolutional network that pools over the whole image, of any size."""

    def __init__(self, classes: list[str], size: int, width: int, lr: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.network = nn.Sequential(
            block(3, width),
            block(width, 2 * width),
            nn.Conv2d(2 * width, 4 * width, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
            nn.Linear(4 * width, len(classes)),
        )
        self.accuracy = MulticlassAccuracy(len(classes), average="micro")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (n, 3, height, width) to logits (n, classes)."""
        return self.network(images)

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        images, targets = batch
        loss = F.cross_entropy(self(images), targets)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        images, targets = batch
        logits = self(images)
        self.accuracy(logits, targets)
        self.log("val/loss", F.cross_entropy(logits, targets), batch_size=len(images))
        self.log("val/accuracy", self.accuracy, batch_size=len(images))

    def on_test_start(self) -> None:
        self.tested: list[Batch] = []

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        images, targets = batch
        self.tested.append((self(images).cpu(), targets.cpu()))

    def evaluation(self) -> Evaluation:
        """Return accuracy, confusions and mistakes of the test."""
        logits, targets = map(torch.cat, zip(*self.tested, strict=True))
        return classification(logits, targets, self.hparams["classes"], kind="image-classification")

    @torch.inference_mode()
    def predict(self, inputs: list[Base64Bytes]) -> list[Prediction]:
        """Return what each photo shows, given the content of its PNG or JPEG file."""
        photos = [pixels(Image.open(BytesIO(photo)).convert("RGB"), self.hparams["size"]) for photo in inputs]
        shares, places = self(torch.stack(photos).to(self.device)).softmax(1).max(1)
        return [
            Prediction(predicted=self.hparams["classes"][place], probability=share)
            for place, share in zip(places.tolist(), shares.tolist(), strict=True)
        ]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), self.hparams["lr"])
