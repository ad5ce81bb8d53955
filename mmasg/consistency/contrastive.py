"""Contrast between crops: the student's features name the teacher's features of the same crop."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmasg.errors import wrong

from .attention_pool import attention_pool, mean_pool
from .memory_bank import MemoryBank

_KEY = "ContrastiveAgreement"
_POOLS: dict[str, Callable[[Tensor], Tensor]] = {"attention": attention_pool, "mean": mean_pool}
_NEGATIVES = ("bank", "batch")


def info_nce(queries: Tensor, keys: Tensor, own: Tensor, temperature: float) -> Tensor:
    r"""InfoNCE, the cross-entropy of finding each query's own key among all keys.

    .. math:: -\frac{1}{N} \sum_n \log \frac{e^{q_n \cdot k_n / \tau}}
        {e^{q_n \cdot k_n / \tau} + \sum_{k^-} e^{q_n \cdot k^- / \tau}}

    Source: van den Oord et al. 2018; Chen et al. (CSG), ICLR 2021, section 3.2.

    Args:
        queries: q, (N, D) of length 1.
        keys: (M, D) of length 1: positives and negatives.
        own: Each query's positive among the keys, (N,), int64; all others are its negatives.
        temperature: :math:`\tau`.

    Returns:
        Scalar, in nats.
    """
    return F.cross_entropy(queries @ keys.T / temperature, own)


class ContrastiveAgreement(nn.Module):
    r"""InfoNCE between student and frozen ImageNet teacher, over several stages.

    Chen et al., *Contrastive Syn-to-Real Generalization* (CSG), ICLR 2021: on every crop the
    student's pooled and projected features (the query) have to be nearer to the teacher's of the
    same crop (the positive) than to the teacher's of other crops (the negatives). Where the KL and
    the feature distances only pull, the negatives push features of different crops apart, which
    the paper finds to keep them diverse. The loss is the sum over ``stages`` of :func:`info_nce`.

    The query's projection (Linear, ReLU, Linear, one a stage) is trained by the model's optimizer
    in its last layer group; the teacher's backbone is frozen, and its projection is the moving
    average of the query's: MoCo's momentum encoder, of which only the projection moves. All of it
    lives beside the model and travels in the checkpoint.

    Works with any backbone: a stage is named as ``feature`` of ``ImageNetConsistencyHook`` is.

    Args:
        stages: Which features: indices of the backbone's outputs, names of submodules whose input
            is taken, or names with ``':output'`` behind. Defaults to the last output.
        negatives: ``'batch'``: the teacher's projected features of the other crops of the same
            batch, of all processes; costs no memory, wants large batches. ``'bank'``: those and
            the ones of past batches, for small batches. Defaults to ``'bank'``.
        bank_size: Vectors in the bank of each stage, which is empty at the start of a training.
            Defaults to 4096.
        projection: Length of the projected features; None: the pooled features themselves.
            Defaults to 128.
        momentum: Share of the teacher's projection that stays in an iteration. Defaults to 0.999.
        temperature: :math:`\tau`. Defaults to 0.07.
        pool: ``'attention'``, the paper's A-pool, or ``'mean'``. Defaults to ``'attention'``.
        grid: Each map is cut into ``grid x grid`` regions, each a crop of its own: dense
            contrast, for segmentation. Defaults to 1, the map as a whole.

    Shape:
        - student, teacher: one map a stage, (N, C, H, W) or tokens (N, L, C).
        - output: scalar, 0 or above.

    Raises:
        TypeError: ``stages`` is no list.
        ValueError: An argument out of its range, a bank smaller than a batch, or a batch of one
            crop with ``negatives='batch'``.

    Example:
        >>> custom_hooks = [dict(
        ...     type='ImageNetConsistencyHook', loss_weight=0.1,
        ...     loss=dict(type='ContrastiveAgreement', stages=[2, 3], grid=2))]
    """

    needs = "stages"
    log_name = "contrast_imagenet"
    #: Its value is not 0 where student and teacher are the same network.
    zero_at_start = False

    def __init__(
        self,
        stages: Sequence[int | str] = (-1,),
        negatives: str = "bank",
        bank_size: int = 4096,
        projection: int | None = 128,
        momentum: float = 0.999,
        temperature: float = 0.07,
        pool: str = "attention",
        grid: int = 1,
    ) -> None:
        super().__init__()
        self.stages = _stages(stages)
        for name, value, good, allowed in (
            ("negatives", negatives, negatives in _NEGATIVES, " or ".join(map(repr, _NEGATIVES))),
            ("bank_size", bank_size, _whole(bank_size), "1, 2, 3, ..."),
            ("projection", projection, projection is None or _whole(projection), "None, 1, 2, .."),
            ("momentum", momentum, 0 <= momentum < 1, "a number from 0 to below 1"),
            ("temperature", temperature, 0 < temperature < float("inf"), "a number above 0"),
            ("pool", pool, pool in _POOLS, " or ".join(map(repr, _POOLS))),
            ("grid", grid, _whole(grid), "1, 2, 3, ..."),
        ):
            if not good:
                raise ValueError(wrong(f"{_KEY}.{name}", value, allowed))
        self.negatives = negatives
        self.bank_size = bank_size
        self.projection = projection
        self.momentum = momentum
        self.temperature = temperature
        self.pool = _POOLS[pool]
        self.grid = grid
        self.queries, self.keys = nn.ModuleList(), nn.ModuleList()
        self.banks: Any = nn.ModuleList()
        #: (N, D) on this process -> (processes * N, D) of all; the hook puts the real one here.
        self.gather: Callable[[Tensor], Tensor] = lambda rows: rows
        #: This process's place among those that ``gather`` returns.
        self.rank = 0

    def build(self, channels: Sequence[int]) -> None:
        """Make projections and banks.

        Args:
            channels: Channels of each stage's features.
        """
        for count in channels:
            head = nn.Identity() if self.projection is None else _projection(count, self.projection)
            self.queries.append(head)
            self.keys.append(copy.deepcopy(head).requires_grad_(False))
            if self.negatives == "bank":
                self.banks.append(MemoryBank(self.bank_size, self.projection or count))

    def check_batch(self, crops: int) -> None:
        """Check the number of crops in a batch of all processes.

        Raises:
            ValueError: The bank is smaller than a batch, or there is no other crop to be negative.
        """
        rows = crops * self.grid**2
        if self.negatives == "bank" and rows > self.bank_size:
            raise ValueError(
                wrong(
                    f"{_KEY}.bank_size",
                    self.bank_size,
                    f"at least {rows}, what one batch ({crops} crops, {self.grid}x{self.grid} "
                    "regions each) puts into the bank",
                    "Give a larger bank_size, or negatives='batch'.",
                )
            )
        if self.negatives == "batch" and rows < 2:
            raise ValueError(
                wrong(
                    f"{_KEY}.negatives",
                    "batch",
                    "a batch of two crops or more, or grid=2 or more",
                    "With one crop there is no negative; use negatives='bank'.",
                )
            )

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """Return the sum over stages; with gradients on, banks and momentum go one step further."""
        if len(student) != len(self.queries) or len(teacher) != len(self.queries):
            raise ValueError(
                f"{_KEY}: got {len(student)} student and {len(teacher)} teacher features, was "
                f"built for {len(self.queries)}"
            )
        with torch.autocast(student[0].device.type, enabled=False):
            pairs = zip(student, teacher, strict=True)
            return torch.stack([self._stage(i, *pair) for i, pair in enumerate(pairs)]).sum()

    def _stage(self, place: int, student: Tensor, teacher: Tensor) -> Tensor:
        learns = torch.is_grad_enabled()
        with torch.no_grad():
            if learns:
                self._follow(self.keys[place], self.queries[place])
            keys = self.gather(F.normalize(self.keys[place](self._rows(teacher)), dim=1))
            if self.banks:  # a last batch of one crop without a bank has no negative and counts 0
                self.check_batch(len(keys) // self.grid**2)
            known = [bank.known() for bank in self.banks[place : place + 1]]
        queries = F.normalize(self.queries[place](self._rows(student)), dim=1)
        own = len(queries) * self.rank + torch.arange(len(queries), device=queries.device)
        value = info_nce(queries, torch.cat([keys, *known]), own, self.temperature)
        if learns and self.banks:
            self.banks[place].add(keys)
        return value

    def _follow(self, keys: nn.Module, queries: nn.Module) -> None:
        """Move the teacher's projection towards the student's."""
        for key, query in zip(keys.parameters(), queries.parameters(), strict=True):
            key.lerp_(query, 1 - self.momentum)

    def _rows(self, features: Tensor) -> Tensor:
        """Pooled regions, (grid * grid * N, C), region by region."""
        if self.grid == 1:
            return self.pool(features)
        if features.ndim != 4 or min(features.shape[2:]) < self.grid:
            raise ValueError(
                f"{_KEY}.grid: got {self.grid}, but a feature has the shape "
                f"{tuple(features.shape)}; it has to be a map (N, C, H, W) with H and W of "
                f"{self.grid} or more. Use a smaller grid or another stage"
            )
        bands = features.tensor_split(self.grid, dim=2)
        parts = [part for band in bands for part in band.tensor_split(self.grid, dim=3)]
        return torch.cat([self.pool(part) for part in parts])


def _projection(channels: int, length: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(channels, channels), nn.ReLU(inplace=True), nn.Linear(channels, length)
    )


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _stages(stages: Sequence[int | str]) -> list[int | str]:
    good = isinstance(stages, Sequence) and not isinstance(stages, str) and len(stages) > 0
    if not good or not all(isinstance(s, (int, str)) for s in stages):
        allowed = "a list of output indices or names of submodules, such as [2, 3]"
        raise TypeError(wrong(f"{_KEY}.stages", stages, allowed))
    if len(set(stages)) < len(stages):
        raise ValueError(wrong(f"{_KEY}.stages", list(stages), "each stage once"))
    return list(stages)
