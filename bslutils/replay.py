"""A training step that a GPU has recorded, and repeats at one launch: a CUDA graph."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .config import TrainConfig

WARM_UP = 3  # steps before the recording, in which libraries load and allocate what they need


def replayable(config: TrainConfig, model: nn.Module, loss: nn.Module) -> bool:
    """Whether :func:`bslutils.fit` records its steps with these settings.

    It does on a GPU, unless a step has to wait for a value: row-wise updates look for the rows
    of a batch, noisy negatives and draws without replacement for repeated items, some losses
    (``loss.solves``) for the end of an iteration, others for the check of a parameter that is a
    tensor. Nor does it where several batches make one update. A loss that is not of this package
    is not recorded unless its ``solves`` is false, nor is a model with an auxiliary term unless
    its ``waits`` is.
    """
    return (
        config.replay
        and torch.device(config.device).type == "cuda"
        and config.optimizer == "adam"
        and config.accumulate == 1
        and config.negative_noise == 1
        and config.replacement
        and (not hasattr(model, "auxiliary") or not getattr(model, "waits", True))
        and not getattr(loss, "on_vectors", False)
        and not getattr(loss, "solves", True)
        and not (isinstance(loss, nn.Module) and loss.state_dict())
    )


class Replay:
    """Makes steps by replaying the first whole one, recorded after a few that warm up.

    A step of matrix factorisation is dozens of short kernels: launching them one by one takes
    several times longer than running them. The arguments of a step are copied to where the
    recorded one reads its own; random numbers go on from step to step as they would have.
    A batch of another shape, such as the last of an epoch, takes the step itself.

    Args:
        step: ``step(user, pos, pos_mask) -> loss ()``, all on one CUDA device; ``pos_mask`` may
            be ``None``. It must not wait for a value on the device.
        generator: the generator that it draws from beside torch's global one.
    """

    def __init__(self, step: Callable[..., Tensor], generator: torch.Generator):
        self.step, self.generator = step, generator
        self.graph: torch.cuda.CUDAGraph | None = None
        self.given: tuple[Tensor | None, ...] = ()
        self.made = 0

    def __call__(self, *given: Tensor | None) -> Tensor:
        if self.graph is not None and self._fits(given):
            for place, value in zip(self.given, given, strict=True):
                if place is not None:
                    place.copy_(value)
            self.graph.replay()
            return self.result.clone()
        self.made += 1
        if self.graph is None and self.made > WARM_UP:
            self._record(given)
            return self(*given)
        # Warm up off the default stream, which a recording must not touch.
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            result = self.step(*given)
        torch.cuda.current_stream().wait_stream(side)
        return result

    def _fits(self, given: tuple[Tensor | None, ...]) -> bool:
        return all(
            place is value is None or (place is not None and place.shape == value.shape)
            for place, value in zip(self.given, given, strict=True)
        )

    def _record(self, given: tuple[Tensor | None, ...]) -> None:
        self.given = tuple(value if value is None else value.clone() for value in given)
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.generator)
        with torch.cuda.graph(graph):
            self.result = self.step(*self.given)
        self.graph = graph
