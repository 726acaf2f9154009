"""Modules and data as people write them: in the styles of Lightning's documentation, of courses and of papers."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import (
    BaseFinetuning,
    EarlyStopping,
    GradientAccumulationScheduler,
    StochasticWeightAveraging,
)
from torch import nn
from torch.nn import functional as F
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    random_split,
)
from torchmetrics import MaxMetric, MeanMetric, MeanSquaredError, MetricCollection, R2Score
from torchmetrics.classification import BinaryAUROC, MulticlassAccuracy, MulticlassConfusionMatrix, MulticlassF1Score

from .classified import Data
from .task import Task

GRID = torch.stack(torch.meshgrid(torch.linspace(-1, 1, 6), torch.linspace(-1, 1, 6), indexing="ij"), -1).reshape(36, 2)
POINTS = torch.cat([GRID, GRID.square()], 1)  # (36, 4)
LABELS = (POINTS[:, 0] > POINTS[:, 3]).long()


# The first steps of the documentation: stages of `setup`, hyperparameters, an example input.


class StagedData(L.LightningDataModule):
    def __init__(self, num_workers: int = 0, batch_size: int = 8) -> None:
        super().__init__()
        self.save_hyperparameters()

    def prepare_data(self) -> None:
        torch.randperm(3)  # would download

    def setup(self, stage: str | None = None) -> None:
        if stage in ("fit", None):
            full = TensorDataset(POINTS[:30], LABELS[:30])
            self.train_set, self.val_set = random_split(full, [24, 6], generator=torch.Generator().manual_seed(42))
        if stage in ("test", None):
            self.test_set = TensorDataset(POINTS[30:], LABELS[30:])
        if stage == "predict":
            self.predict_set = TensorDataset(POINTS[30:], LABELS[30:])

    def _loader(self, dataset: Any, **settings: Any) -> Any:
        return DataLoader(dataset, self.hparams.batch_size, num_workers=self.hparams.num_workers, **settings)

    def train_dataloader(self) -> Any:
        return self._loader(self.train_set, shuffle=True)

    def val_dataloader(self) -> Any:
        return self._loader(self.val_set)

    def test_dataloader(self) -> Any:
        return self._loader(self.test_set)

    def predict_dataloader(self) -> Any:
        return self._loader(self.predict_set)


class FirstSteps(L.LightningModule):
    def __init__(self, hidden: int = 8, learning_rate: float = 0.02, batch_size: int = 8) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.example_input_array = torch.zeros(1, 4)
        self.layer_1, self.layer_2 = nn.Linear(4, hidden), nn.Linear(hidden, 2)

    def forward(self, x: Any) -> Any:
        return self.layer_2(F.dropout(torch.relu(self.layer_1(x)), 0.2, self.training))

    def _shared_step(self, batch: Any, stage: str) -> Any:
        x, y = batch
        logits = self(x)
        loss = F.cross_entropy(logits, y)
        self.log_dict({f"{stage}_loss": loss, f"{stage}_acc": (logits.argmax(1) == y).float().mean()}, prog_bar=True)
        return loss

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return {"loss": self._shared_step(batch, "train")}

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        return self._shared_step(batch, "val")

    def test_step(self, batch: Any, batch_idx: int) -> Any:
        return self._shared_step(batch, "test")

    def predict_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        return self(batch[0]).softmax(1)

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=self.hparams.learning_rate)


# The most used template: metrics as objects, the best one in a metric too, partial optimizer and scheduler.


class MetricObjects(L.LightningModule):
    def __init__(self, net: nn.Module, optimizer: Any, scheduler: Any) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False, ignore=["net"])
        self.net = net
        self.train_acc, self.val_acc = MulticlassAccuracy(2), MulticlassAccuracy(2)
        self.train_loss, self.val_loss = MeanMetric(), MeanMetric()
        self.val_acc_best = MaxMetric()

    def on_train_start(self) -> None:
        self.val_loss.reset()
        self.val_acc.reset()
        self.val_acc_best.reset()

    def model_step(self, batch: Any) -> Any:
        x, y = batch
        logits = self.net(x)
        return F.cross_entropy(logits, y), logits.argmax(1), y

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss, preds, targets = self.model_step(batch)
        self.train_loss(loss)
        self.train_acc(preds, targets)
        self.log("train/loss", self.train_loss, on_step=False, on_epoch=True, prog_bar=True)
        self.log("train/acc", self.train_acc, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        loss, preds, targets = self.model_step(batch)
        self.val_loss(loss)
        self.val_acc(preds, targets)
        self.log("val/loss", self.val_loss, on_step=False, on_epoch=True)
        self.log("val/acc", self.val_acc, on_step=False, on_epoch=True)

    def on_validation_epoch_end(self) -> None:
        self.val_acc_best(self.val_acc.compute())
        self.log("val/acc_best", self.val_acc_best.compute(), sync_dist=True)

    def configure_optimizers(self) -> Any:
        optimizer = self.hparams.optimizer(params=self.trainer.model.parameters())
        scheduler = self.hparams.scheduler(optimizer=optimizer)
        settings = {"scheduler": scheduler, "monitor": "val/loss", "interval": "epoch", "frequency": 1}
        return {"optimizer": optimizer, "lr_scheduler": settings}


def metric_objects() -> MetricObjects:
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    plateau = partial(torch.optim.lr_scheduler.ReduceLROnPlateau, mode="min", factor=0.1, patience=0)
    return MetricObjects(net, partial(torch.optim.Adam, lr=0.05), plateau)


# The autoencoder of the introduction, with both parts handed over; and a variational one, as in courses.


class LitAutoEncoder(L.LightningModule):
    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.register_buffer("noise", torch.zeros(4))

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        x, _ = batch
        x = x.view(x.size(0), -1)
        self.noise = torch.randn_like(self.noise) * 0.05
        loss = F.mse_loss(self.decoder(self.encoder(x + self.noise)), x)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", F.mse_loss(self.decoder(self.encoder(batch[0])), batch[0]))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=1e-2)


def autoencoder() -> LitAutoEncoder:
    return LitAutoEncoder(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)), nn.Linear(2, 4))


class VAE(L.LightningModule):
    def __init__(self, kl_coeff: float = 0.1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.encoder, self.decoder = nn.Linear(4, 6), nn.Linear(3, 4)
        self.log_scale = nn.Parameter(torch.zeros(1))

    def step(self, batch: Any) -> Any:
        x, _ = batch
        mean, log_variance = self.encoder(x).chunk(2, 1)
        q = torch.distributions.Normal(mean, (log_variance / 2).exp())
        z = q.rsample()
        reconstruction = -torch.distributions.Normal(self.decoder(z), self.log_scale.exp()).log_prob(x).sum(1).mean()
        kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()
        loss = reconstruction + self.hparams.kl_coeff * min(1.0, self.global_step / 4) * kl
        return loss, {"recon_loss": reconstruction, "kl": kl, "loss": loss}

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss, logs = self.step(batch)
        self.log_dict({f"train_{name}": value for name, value in logs.items()}, on_step=True, on_epoch=False)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        loss, logs = self.step(batch)
        self.log_dict({f"val_{name}": value for name, value in logs.items()})
        return loss

    def configure_optimizers(self) -> Any:
        return [torch.optim.RMSprop(self.parameters(), lr=1e-2, momentum=0.5)]


# Transfer learning: a frozen backbone, whose parameters the optimizer gets later.


class Milestone(BaseFinetuning):
    def freeze_before_training(self, pl_module: Any) -> None:
        self.freeze(pl_module.backbone)

    def finetune_function(self, pl_module: Any, epoch: int, optimizer: Any) -> None:
        if epoch == 1:
            self.unfreeze_and_add_param_group(pl_module.backbone, optimizer, lr=0.01)


class Transfer(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.head = nn.Linear(8, 2)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = F.cross_entropy(self.head(self.backbone(batch[0])), batch[1])
        self.log("train_loss", loss, on_epoch=True)
        return loss

    def configure_optimizers(self) -> Any:
        trainable = filter(lambda parameter: parameter.requires_grad, self.parameters())
        return torch.optim.Adam(trainable, lr=0.02)


# A recurrent network that remembers across batches, in dictionaries of uneven lengths.


class Sequences(Dataset):
    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> Any:
        length = 2 + index % 4
        return {"steps": torch.sin(torch.arange(length) * 0.3 + index)[:, None], "length": length}


def packed(samples: list[Mapping[str, Any]]) -> Any:
    samples = sorted(samples, key=lambda sample: -sample["length"])
    return nn.utils.rnn.pack_sequence([sample["steps"] for sample in samples])


class SequenceData(L.LightningDataModule):
    def __init__(self, num_workers: int = 0) -> None:
        super().__init__()
        self.num_workers = num_workers

    def train_dataloader(self) -> Any:
        loader = partial(DataLoader, batch_size=5, shuffle=True, drop_last=True)
        return loader(Sequences(), num_workers=self.num_workers, collate_fn=packed)


class Remembering(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.LSTM(1, 6), nn.Linear(6, 1)
        self.hiddens: Any = None

    def on_train_epoch_start(self) -> None:
        self.hiddens = None

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        outputs, hiddens = self.rnn(batch, self.hiddens)
        self.hiddens = tuple(each.detach() for each in hiddens)
        loss = F.mse_loss(self.head(outputs.data), batch.data)
        self.log("train_loss", loss, batch_size=5)
        return loss

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9, nesterov=True)
        schedule = torch.optim.lr_scheduler.CyclicLR(optimizer, 0.01, 0.1, step_size_up=3, cycle_momentum=True)
        return [optimizer], [{"scheduler": schedule, "interval": "step", "frequency": 1}]


# Self-supervised: two views of each example, a momentum network, an optimizer of one's own.


class TwoViews:
    def __call__(self, x: torch.Tensor) -> Any:
        return tuple(x * float(np.random.uniform(0.8, 1.2)) + 0.05 * torch.randn(4) for _ in range(2))


class ViewedData(L.LightningDataModule):
    def __init__(self, num_workers: int = 0) -> None:
        super().__init__()
        self.num_workers, self.transform = num_workers, TwoViews()

    def train_dataloader(self) -> Any:
        views = Viewed(POINTS, self.transform)
        batches = BatchSampler(SubsetRandomSampler(range(24)), batch_size=8, drop_last=True)
        persistent = self.num_workers > 0
        return DataLoader(
            views, batch_sampler=batches, num_workers=self.num_workers, persistent_workers=persistent, pin_memory=False
        )


class Viewed(Dataset):
    def __init__(self, points: torch.Tensor, transform: Any) -> None:
        self.points, self.transform = points, transform

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int) -> Any:
        return self.transform(self.points[index])


class LARS(torch.optim.Optimizer):
    def __init__(self, params: Any, lr: float, momentum: float = 0.9) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    trust = parameter.norm() / (parameter.grad.norm() + 1e-6)
                    state = self.state[parameter]
                    state.setdefault("velocity", torch.zeros_like(parameter))
                    state["velocity"].mul_(group["momentum"]).add_(parameter.grad, alpha=0.1 * float(trust))
                    parameter.sub_(state["velocity"], alpha=group["lr"])
        return loss


class Momentum(L.LightningModule):
    def __init__(self, queue: int = 16) -> None:
        super().__init__()
        self.online = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
        self.target = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
        self.target.load_state_dict(self.online.state_dict())
        self.target.requires_grad_(False)
        self.register_buffer("queue", F.normalize(torch.randn(queue, 3), dim=1))
        self.tau = 0.9

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        first, second = batch
        query = F.normalize(self.online(first), dim=1)
        with torch.no_grad():
            key = F.normalize(self.target(second), dim=1)
        logits = torch.cat([(query * key).sum(1, keepdim=True), query @ self.queue.T], 1) / 0.2
        self.queue = torch.cat([key, self.queue])[: len(self.queue)]
        loss = F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))
        self.log("loss", loss, on_step=True, on_epoch=True, prog_bar=True)
        return loss

    def on_before_zero_grad(self, optimizer: Any) -> None:
        for online, target in zip(self.online.parameters(), self.target.parameters(), strict=True):
            target.data.mul_(self.tau).add_(online.data, alpha=1 - self.tau)
        self.tau = 1 - (1 - 0.9) * (math.cos(math.pi * self.global_step / 12) + 1) / 2

    def configure_optimizers(self) -> Any:
        optimizer = LARS(self.online.parameters(), lr=0.2)
        schedule = torch.optim.lr_scheduler.SequentialLR(
            optimizer,
            [
                torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=2),
                torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4),
            ],
            milestones=[2],
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


# Batches of a class of their own, and the hooks that move them.


@dataclass
class Graph:
    nodes: torch.Tensor
    edges: torch.Tensor
    labels: torch.Tensor


def graph(samples: list[Any]) -> Graph:
    nodes, labels = map(torch.stack, zip(*samples, strict=True))
    return Graph(nodes, torch.randint(len(nodes), (2, 3 * len(nodes))), labels)


class GraphData(Data):
    def setup(self, stage: str) -> None:
        self.train, self.val = Subset(TensorDataset(POINTS, LABELS), range(24)), TensorDataset(POINTS[24:], LABELS[24:])

    def train_dataloader(self) -> Any:
        return DataLoader(self.train, 8, shuffle=True, collate_fn=graph, num_workers=self.num_workers)

    def val_dataloader(self) -> Any:
        return DataLoader(self.val, 6, collate_fn=graph)

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        parts = (batch.nodes, batch.edges, batch.labels)
        return Graph(*(part.to(device) for part in parts))


class MessagePassing(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(4, 8), nn.Linear(8, 2)
        metrics = MetricCollection({"acc": MulticlassAccuracy(2), "f1": MulticlassF1Score(2)})
        self.train_metrics, self.val_metrics = metrics.clone(prefix="train/"), metrics.clone(prefix="val/")
        self.confusion = MulticlassConfusionMatrix(2)

    def forward(self, batch: Graph) -> Any:
        hidden = self.layer(batch.nodes)
        summed = torch.zeros_like(hidden).index_add(0, batch.edges[0], hidden[batch.edges[1]])
        return self.head(F.elu(hidden + summed))

    def training_step(self, batch: Graph, batch_idx: int) -> Any:
        logits = self(batch)
        loss = F.cross_entropy(logits, batch.labels)
        self.log_dict(self.train_metrics(logits, batch.labels), batch_size=len(logits))
        return loss

    def on_train_epoch_end(self) -> None:
        self.train_metrics.reset()

    def validation_step(self, batch: Graph, batch_idx: int) -> None:
        logits = self(batch)
        self.val_metrics.update(logits, batch.labels)
        self.confusion.update(logits, batch.labels)

    def on_validation_epoch_end(self) -> None:
        self.log_dict(self.val_metrics.compute())
        self.val_metrics.reset()
        self.log("val/right", self.confusion.compute().diagonal().sum().float())
        self.confusion.reset()

    def configure_optimizers(self) -> Any:
        return {"optimizer": torch.optim.AdamW(self.parameters(), lr=0.02, amsgrad=True)}


# A GAN of papers: several steps of the critic for one of the generator, and a penalty on its gradient.


class WassersteinGAN(L.LightningModule):
    def __init__(self, n_critic: int = 2) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.save_hyperparameters()
        self.generator, self.critic = nn.Linear(3, 4), nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))

    def penalty(self, real: Any, fake: Any) -> Any:
        share = torch.rand(len(real), 1)
        mixed = (share * real + (1 - share) * fake).requires_grad_(True)
        [gradient] = torch.autograd.grad(self.critic(mixed).sum(), mixed, create_graph=True)
        return (gradient.norm(2, dim=1) - 1).square().mean()

    def training_step(self, batch: Any, batch_idx: int) -> None:
        real = batch[0]
        g, c = self.optimizers()
        fake = self.generator(torch.randn(len(real), 3)).detach()
        c_loss = self.critic(fake).mean() - self.critic(real).mean() + self.penalty(real, fake)
        c.zero_grad()
        self.manual_backward(c_loss)
        self.clip_gradients(c, gradient_clip_val=0.5, gradient_clip_algorithm="norm")
        c.step()
        self.log("c_loss", c_loss, prog_bar=True)
        if (batch_idx + 1) % self.hparams.n_critic == 0:
            g_loss = -self.critic(self.generator(torch.randn(len(real), 3))).mean()
            g.zero_grad()
            self.manual_backward(g_loss)
            g.step()
            self.log("g_loss", g_loss, prog_bar=True)
        if self.trainer.is_last_batch:
            self.lr_schedulers().step()

    def configure_optimizers(self) -> Any:
        g = torch.optim.RMSprop(self.generator.parameters(), lr=0.01)
        c = torch.optim.RMSprop(self.critic.parameters(), lr=0.02)
        return [{"optimizer": g, "lr_scheduler": torch.optim.lr_scheduler.StepLR(g, 1, 0.5)}, {"optimizer": c}]


# Distillation from a teacher that is not a submodule; regression metrics; a model of two validations.


class Distilled(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.teachers = [nn.Linear(4, 2)]  # in a list, so that no checkpoint holds it
        self.student = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.AlphaDropout(0.1), nn.Linear(4, 2))
        self.errors = nn.ModuleDict({name: MeanSquaredError() for name in ("seen", "new")})
        self.r2 = R2Score()

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        with torch.no_grad():
            soft = (self.teachers[0](batch[0]) / 2).softmax(1)
        loss = F.kl_div((self.student(batch[0]) / 2).log_softmax(1), soft, reduction="batchmean")
        loss = loss + F.cross_entropy(self.student(batch[0]), batch[1])
        self.log("loss", loss, on_epoch=True)
        return loss

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> int | None:
        return -1 if batch_idx == 2 else None  # ends the epoch

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        name = ("seen", "new")[dataloader_idx]
        said = self.student(batch[0]).softmax(1)[:, 1]
        self.errors[name](said, batch[1].float())
        self.log(f"mse/{name}", self.errors[name], add_dataloader_idx=False)
        if dataloader_idx:
            self.r2(said, batch[1].float())
            self.log("r2", self.r2, add_dataloader_idx=False)

    def configure_optimizers(self) -> Any:
        return torch.optim.NAdam(self.parameters(), lr=0.02)


class SeenAndNew(StagedData):
    def val_dataloader(self) -> Any:
        return {"seen": self._loader(self.train_set), "new": self._loader(self.val_set)}


# Everything by hand: the documentation's warm-up in `optimizer_step`, a schedule of one's own, norms of gradients.


class ByHand(FirstSteps):
    def __init__(self) -> None:
        super().__init__()
        self.auroc = BinaryAUROC()
        self.validation_step_outputs: list[torch.Tensor] = []

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        if self.trainer.global_step < 5:
            for group in optimizer.param_groups:
                group["lr"] = (self.trainer.global_step + 1) / 5 * self.hparams.learning_rate
        optimizer.step(closure=optimizer_closure)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Any) -> None:
        optimizer.zero_grad(set_to_none=True)

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        norms = [parameter.grad.norm() for parameter in self.parameters() if parameter.grad is not None]
        self.log("grad_norm", torch.stack(norms).norm())

    def configure_gradient_clipping(self, optimizer: Any, gradient_clip_val: Any, gradient_clip_algorithm: Any) -> None:
        self.clip_gradients(optimizer, gradient_clip_val=0.1 * (self.current_epoch + 1))

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        scheduler.step(epoch=self.current_epoch)

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        said = self(batch[0]).softmax(1)[:, 1]
        self.auroc.update(said, batch[1])
        self.validation_step_outputs.append(said)
        return said

    def on_validation_epoch_end(self) -> None:
        self.log_dict({"mean": torch.cat(self.validation_step_outputs).mean(), "auroc": self.auroc.compute()})
        self.validation_step_outputs.clear()
        self.auroc.reset()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["mine"] = {"epoch": self.current_epoch}

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adagrad(self.parameters(), lr=self.hparams.learning_rate)
        return [optimizer], [torch.optim.lr_scheduler.MultiStepLR(optimizer, [1], 0.3)]


# A dataset that grows with each epoch, by loaders that are asked for again.


class Curriculum(StagedData):
    def train_dataloader(self) -> Any:
        shown = 12 * (1 + self.trainer.current_epoch)
        return self._loader(Subset(self.train_set, range(min(shown, 24))), shuffle=True)


# Two networks that are trained in turn, each with its own optimizer and its own sum of losses.


class Alternating(L.LightningModule):
    automatic_optimization = False

    def __init__(self) -> None:
        super().__init__()
        self.members = nn.ModuleList(nn.Linear(4, 2) for _ in range(2))
        self.losses = [0.0, 0.0]

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        place = int(self.losses[1] < self.losses[0])
        optimizer = self.optimizers()[place]
        loss = F.cross_entropy(self.members[place](batch[0]), batch[1])
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        self.losses[place] += loss.item()
        self.log_dict({f"loss/{number}": value for number, value in enumerate(self.losses)})
        return loss

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(each.parameters(), lr=0.1, momentum=0.9) for each in self.members]


# PyTorch's page on reproducibility: a generator for the order and seeds for workers; an optimizer that asks often.


def seed_worker(worker_id: int) -> None:
    np.random.seed(torch.initial_seed() % 2**32)


class SeededLoaders(StagedData):
    def train_dataloader(self) -> Any:
        generator = torch.Generator().manual_seed(0)
        return self._loader(
            ConcatDataset([self.train_set, self.val_set]),
            shuffle=True,
            worker_init_fn=seed_worker,
            generator=generator,
        )


class Closure(FirstSteps):
    def configure_optimizers(self) -> Any:
        return torch.optim.LBFGS(self.parameters(), lr=0.1, max_iter=3, line_search_fn="strong_wolfe")


# Reinforcement learning: what a training step has played is what a later one learns from.


class Replay(IterableDataset):
    def __init__(self, buffer: Any) -> None:
        self.buffer = buffer

    def __iter__(self) -> Any:
        for place in np.random.choice(len(self.buffer), 12):
            yield self.buffer[place]


class QLearning(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 2)
        self.buffer = deque([(torch.randn(4), torch.tensor(0.0)) for _ in range(8)], maxlen=32)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        state = torch.randn(4)
        self.buffer.append((state, state.sum()))
        return F.smooth_l1_loss(self.net(batch[0]).amax(1), batch[1])

    def train_dataloader(self) -> Any:
        return DataLoader(Replay(self.buffer), batch_size=4)

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.01)


GALLERY = {
    "first steps": Task(FirstSteps, StagedData, callbacks=(partial(EarlyStopping, monitor="val_loss"),)),
    "metrics as objects": Task(metric_objects, StagedData),
    "autoencoder": Task(autoencoder, StagedData),
    "variational autoencoder": Task(VAE, StagedData),
    "backbone frozen, then added": Task(Transfer, StagedData, callbacks=(Milestone,)),
    "LSTM that remembers": Task(Remembering, SequenceData),
    "momentum contrast, own optimizer": Task(Momentum, ViewedData),
    "batches of a class": Task(MessagePassing, GraphData),
    "Wasserstein GAN": Task(WassersteinGAN, StagedData),
    "distillation, two validations": Task(Distilled, SeenAndNew),
    "everything by hand": Task(ByHand, StagedData),
    "loaders made in each epoch": Task(FirstSteps, Curriculum, trainer={"reload_dataloaders_every_n_epochs": 1}),
    "networks in turn": Task(Alternating, StagedData),
    "accumulation by schedule": Task(
        FirstSteps, StagedData, callbacks=(partial(GradientAccumulationScheduler, scheduling={0: 2, 1: 1}),)
    ),
    "LBFGS, loaders with seeds": Task(Closure, SeededLoaders),
}

# What strict refuses of the gallery, and words of the sentence
REFUSED_OF_GALLERY = {
    "StochasticWeightAveraging, which loses its schedule when resumed": Task(
        FirstSteps, StagedData, callbacks=(partial(StochasticWeightAveraging, swa_lrs=0.01),)
    ),
    "reads from Replay, which cannot be resumed exactly": Task(QLearning),
}
