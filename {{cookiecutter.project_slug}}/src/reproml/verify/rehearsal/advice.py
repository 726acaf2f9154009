"""What to do about a break: by what was tried, by what differed first, and by who holds what no checkpoint has."""

_GLOBAL = "torch.rand, np.random.rand or random.random"
_CLOCK = (
    "the clock, os.urandom, the order of a set or of a folder, memory of torch.empty that nothing has written, or a "
    "generator that was made without a seed"
)
_EACH = f"make each example a function of its index, and draw from {_GLOBAL}, which are seeded before each example"

# By the kind of the owner, which is the first word of each name in state.py.
_HELD_BY = {
    "module": (
        "keep it in attributes of the module as numbers, text, tensors, arrays, or lists and dictionaries of them, "
        "which every checkpoint holds, or save it in on_save_checkpoint and set it in on_load_checkpoint"
    ),
    "callback": (
        "save it in the callback's state_dict and set it in load_state_dict; without these two, a checkpoint holds "
        "attributes with numbers, text, tensors, arrays, and lists or dictionaries of them"
    ),
    "dataset": _EACH,
    "sampler": (
        f"make the order a function of the epoch: draw from {_GLOBAL}, which are seeded before each epoch, or take its "
        "number from set_epoch(epoch), and keep nothing from one epoch to the next"
    ),
    "data": "set it in setup(), and do not change it later: no checkpoint holds it",
    "global": "keep it as an attribute of the module or callback: a checkpoint holds those, and no global variables",
    "class": "keep it as an attribute of the object (self.name): a checkpoint holds those, and none of a class",
}
_INTERRUPTED = "find what a hook, a sampler or a dataset keeps from one step to the next: no checkpoint holds it"
_UNSAVED = "only read in state_dict, on_save_checkpoint and the like: checkpoints are saved by the clock"

# By what differed first between two trainings that nobody interrupted.
_FIRST = {
    "weights at the start": (
        f"draw first weights with torch, in __init__, setup() or configure_model(): these depend on {_CLOCK}"
    ),
    "order": f"sort what is listed, and draw the order from {_GLOBAL}: it depends on {_CLOCK}",
    "examples": f"{_EACH}: __getitem__, a transform or collate_fn depends on {_CLOCK}",
    "loss": f"draw from {_GLOBAL}, which are seeded before each step: the forward pass depends on {_CLOCK}",
    "weights": f"look at the backward pass, the optimizer and hooks after a step: one depends on {_CLOCK}",
    "validation": f"{_EACH}: the validation's depend on {_CLOCK}",
    "metrics": f"log what depends on the training alone: this depends on {_CLOCK}",
    "length": f"stop by steps, epochs or metrics: this training stops by {_CLOCK}",
}


def fix(tried: str, first: str, suspects: list[str]) -> str | None:
    """Return one sentence that says how to fix a break, if anything is known.

    Args:
        tried: `again`, `workers`, `unsaved` or `interrupted`.
        first: what differed first, as in comparison.py.
        suspects: names of what was held differently, as in state.py.
    """
    if tried == "workers":
        return _EACH
    if tried == "unsaved":
        return _UNSAVED
    if tried == "interrupted":
        return _HELD_BY[suspects[0].partition(" ")[0]] if suspects else _INTERRUPTED
    return _FIRST.get(first)
