"""The file of a model: the same bytes as ever, written whole, and without a second copy of the weights in memory."""

import errno
import json
import os
import re
import sys
from pathlib import Path

import pytest
import torch
from lightning import LightningModule
from safetensors.torch import save
from torch import nn

from reproml.models.saved import load_weights, save_model

DESCRIPTION = {"task": {"_target_": "a.Task"}}


class Tied(LightningModule):
    """Layers that share a tensor, one that lies in another's storage, and one that is not contiguous."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(width, width)
        self.head = nn.Linear(width, width, bias=False)
        self.head.weight = self.embedding.weight
        self.register_buffer("row", self.embedding.weight.detach()[1])
        self.register_buffer("turned", torch.randn(3, 5).T)
        self.register_buffer("steps", torch.tensor(3))


def test_the_bytes_do_not_depend_on_what_is_shared(tmp_path: Path) -> None:
    model, path = Tied(10), tmp_path / "run" / "model.safetensors"
    save_model(model, DESCRIPTION, path)
    copies = {name: tensor.detach().contiguous().clone() for name, tensor in model.state_dict().items()}
    assert path.read_bytes() == save(copies, metadata={"description": json.dumps(DESCRIPTION, sort_keys=True)})
    weights, _ = load_weights(path)
    assert all(torch.equal(weights[name], tensor) for name, tensor in copies.items())
    (tmp_path / "other").touch()
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode  # not for this user alone
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not count the peak of a part")
def test_weights_are_written_from_where_they_are(tmp_path: Path) -> None:
    model = nn.Linear(4000, 2000, bias=False)  # 32 MB

    def memory(name: str) -> int:
        found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
        return int(found[1]) // 1000 if found else 0

    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
    before = memory("VmRSS")
    save_model(model, DESCRIPTION, tmp_path / "model.safetensors")  # type: ignore[arg-type]
    assert memory("VmHWM") - before < 10
    held = model.weight.detach().clone()
    assert memory("VmHWM") - before > 25, held.shape  # a copy would have been seen


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such limit")
def test_a_full_disk_is_told_in_the_systems_words_and_leaves_the_earlier_file(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "model.safetensors"
    path.write_bytes(b"earlier")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)) as raised:
            save_model(Tied(100), DESCRIPTION, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert raised.value.errno == errno.EFBIG
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]
