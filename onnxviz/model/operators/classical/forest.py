"""Decision trees as flat tables, and the walk of all samples through all trees together, a level per step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.shapes.allocation import allowed

MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "BRANCH_MEMBER")
"""Names of the comparisons. The position of a name is its number in ai.onnx.ml TreeEnsemble 5."""

MEMBER = MODES.index("BRANCH_MEMBER")
LEAF = len(MODES)

_COMPARISONS: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    torch.le,
    torch.lt,
    torch.ge,
    torch.gt,
    torch.eq,
    torch.ne,
)

_MOST_STEPS = 1 << 24
"""The largest number of samples times trees times votes in a single walk: 128 MiB of indices."""


@dataclass(frozen=True)
class Table:
    """Trees from the attributes of an operator. `Forest.from_table` checks them.

    Attributes
    ----------
    roots : (tree,) int64
        Positions of the root of each tree.
    mode : (node,) int64
        A position in `MODES`, or `LEAF`.
    feature : (node,) int64
        The column of the input that is compared.
    split : (node,) float
        The number that the column is compared with.
    true, false : (node,) int64
        Positions of the next nodes.
    missing : (node,) bool
        Whether NaN takes the true branch.
    vote_leaf, vote_target : (vote,) int64
        The leaf that votes, and the column that it votes for.
    vote_weight : (vote,) float
        The weight of the vote.
    members : tuple of arrays
        The sets of the nodes whose mode is `MEMBER`, in the order of the nodes.
    """

    roots: np.ndarray
    mode: np.ndarray
    feature: np.ndarray
    split: np.ndarray
    true: np.ndarray
    false: np.ndarray
    missing: np.ndarray
    vote_leaf: np.ndarray
    vote_target: np.ndarray
    vote_weight: np.ndarray
    members: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True)
class Forest:
    """Trees laid out for the walk, on a device.

    The next node of a leaf is the leaf itself, so that trees of different depths are walked together. A leaf with fewer votes than others
    also votes for an extra column, which is dropped.
    """

    roots: Tensor
    depth: int
    features: int
    modes: tuple[int, ...]
    mode: Tensor
    feature: Tensor
    split: Tensor
    true: Tensor
    false: Tensor
    missing: Tensor | None
    vote_target: Tensor
    vote_weight: Tensor
    targets: int
    sets: MemberSets | None

    @classmethod
    def from_table(cls, table: Table, targets: int, dtype: torch.dtype, device: torch.device) -> Forest:
        """Return the checked trees of a table, laid out for the walk.

        Parameters
        ----------
        table : Table
            The trees.
        targets : int
            The number of columns of the result.
        dtype : torch.dtype
            float32 or float64, the type in which inputs are compared and votes are added.
        device : torch.device
            The device of the trees.

        Raises
        ------
        EvaluationError
            If a branch leads outside the table or back to a node above it, or a vote is for a column that does not exist.
        AllocationError
            If there are more votes than are allowed.
        """
        count = len(table.mode)
        leaf = table.mode == LEAF
        itself = np.arange(count)
        true, false = np.where(leaf, itself, table.true), np.where(leaf, itself, table.false)
        for what, values, limit in (
            ("a branch to node", true, count),
            ("a branch to node", false, count),
            ("a root at node", table.roots, count),
            ("a vote of node", table.vote_leaf, count),
            ("a vote for column", table.vote_target, targets),
        ):
            wrong = values[(values < 0) | (values >= limit)]
            if len(wrong):
                raise EvaluationError(f"a tree has {what} {wrong[0]}; give a number from 0 to {limit - 1}")
        branches = ~leaf
        if branches.any() and table.feature[branches].min() < 0:
            raise EvaluationError(
                f"a tree compares the feature {table.feature[branches].min()}; features are counted from 0"
            )
        vote_target, vote_weight = _padded_votes(table, count, targets)

        def tensor(values: np.ndarray, kind: torch.dtype = torch.int64) -> Tensor:
            return torch.as_tensor(np.ascontiguousarray(values), dtype=kind, device=device)

        missing = table.missing & branches
        return cls(
            roots=tensor(table.roots),
            depth=_depth(table.roots, leaf, true, false),
            features=int(table.feature[branches].max(initial=-1)) + 1,
            modes=tuple(int(m) for m in np.unique(table.mode[branches])),
            mode=tensor(table.mode),
            feature=tensor(np.where(leaf, 0, table.feature)),
            split=tensor(table.split, dtype),
            true=tensor(true),
            false=tensor(false),
            missing=tensor(missing, torch.bool) if missing.any() else None,
            vote_target=tensor(vote_target),
            vote_weight=tensor(vote_weight, dtype),
            targets=targets,
            sets=MemberSets.from_table(table, dtype, device) if table.members else None,
        )

    def votes(self, x: Tensor, reduction: str) -> tuple[Tensor, Tensor]:
        """Return the votes of the leaves that samples reach, reduced over the trees, and the columns that have votes.

        Parameters
        ----------
        x : (batch, feature) float
            The input.
        reduction : str
            "sum", "amin" or "amax".

        Returns
        -------
        scores : (batch, target) float
            The reduced votes. A column without votes is zero.
        voted : (batch, target) bool
            Whether a column has votes.

        Raises
        ------
        EvaluationError
            If the input has fewer features than the trees compare.
        """
        if x.shape[1] < self.features:
            raise EvaluationError(f"the trees compare {self.features} features; the input has only {x.shape[1]}")
        share = max(1, _MOST_STEPS // max(1, len(self.roots) * self.vote_target.shape[1]))
        parts = [self._votes(part, reduction) for part in (torch.split(x, share) if len(x) > share else (x,))]
        if len(parts) == 1:
            return parts[0]
        scores, voted = zip(*parts, strict=True)
        return torch.cat(scores), torch.cat(voted)

    def _votes(self, x: Tensor, reduction: str) -> tuple[Tensor, Tensor]:
        leaves = self.leaves(x)
        target = self.vote_target[leaves].flatten(1)
        weight = self.vote_weight[leaves].flatten(1)
        # The extra column takes the votes that only fill up a leaf.
        empty = weight.new_zeros(len(x), self.targets + 1)
        if reduction == "sum":
            scores = empty.scatter_add(1, target, weight)
        else:
            scores = empty.scatter_reduce(1, target, weight, reduction, include_self=False)
        voted = torch.zeros_like(empty, dtype=torch.bool).scatter(1, target, torch.ones_like(target, dtype=torch.bool))
        return scores[:, : self.targets], voted[:, : self.targets]

    def leaves(self, x: Tensor) -> Tensor:
        """Return the leaf that each sample reaches in each tree, (batch, tree) int64."""
        node = self.roots.expand(len(x), -1)
        ranks = self.sets.ranks(x) if self.sets else None
        for _ in range(self.depth):
            column = self.feature[node]
            value, split = x.gather(1, column), self.split[node]
            mode = self.mode[node] if len(self.modes) > 1 else None
            takes = torch.zeros_like(node, dtype=torch.bool)
            for code in self.modes:
                if code == MEMBER and self.sets is not None and ranks is not None:
                    holds = self.sets.contain(node, ranks.gather(1, column))
                else:
                    holds = _COMPARISONS[code](value, split)
                takes = takes | (holds if mode is None else holds & (mode == code))
            if self.missing is not None:
                takes = takes | (self.missing[node] & value.isnan())
            node = torch.where(takes, self.true[node], self.false[node])
        return node


@dataclass(frozen=True)
class MemberSets:
    """The sets of BRANCH_MEMBER nodes: the sorted values of all sets, and the pairs of a node and a value in its set.

    Attributes
    ----------
    values : (value,) float
        Distinct values, sorted.
    pairs : (pair,) int64
        Sorted numbers ``node * len(values) + rank``.
    """

    values: Tensor
    pairs: Tensor

    @classmethod
    def from_table(cls, table: Table, dtype: torch.dtype, device: torch.device) -> MemberSets:
        """Return the sets of the nodes of a table."""
        nodes = np.flatnonzero(table.mode == MEMBER)
        if len(nodes) != len(table.members):
            raise EvaluationError(
                f"TreeEnsemble has {len(nodes)} BRANCH_MEMBER nodes and {len(table.members)} sets; give each node a set"
            )
        owner = np.repeat(nodes, [len(s) for s in table.members])
        values, rank = np.unique(np.concatenate(table.members), return_inverse=True)
        pairs = np.unique(owner * len(values) + rank.reshape(-1))
        return cls(torch.as_tensor(values, dtype=dtype, device=device), torch.as_tensor(pairs, device=device))

    def ranks(self, x: Tensor) -> Tensor:
        """Return the rank of each number among the values, or -1 if it is not among them: int64 in the shape of `x`."""
        if len(self.values) == 0:
            return torch.full_like(x, -1, dtype=torch.int64)
        place = torch.searchsorted(self.values, x.contiguous()).clamp(max=len(self.values) - 1)
        return torch.where(self.values[place] == x, place, torch.full_like(place, -1))

    def contain(self, node: Tensor, rank: Tensor) -> Tensor:
        """Return where the set of a node holds the value of a rank."""
        if len(self.pairs) == 0:
            return torch.zeros_like(node, dtype=torch.bool)
        pair = node * len(self.values) + rank
        place = torch.searchsorted(self.pairs, pair).clamp(max=len(self.pairs) - 1)
        return (rank >= 0) & (self.pairs[place] == pair)


def _depth(roots: np.ndarray, leaf: np.ndarray, true: np.ndarray, false: np.ndarray) -> int:
    """Return the number of steps of the longest walk.

    Raises
    ------
    EvaluationError
        If a walk does not end.
    """
    front, depth = np.unique(roots[~leaf[roots]]), 0
    while len(front):
        depth += 1
        if depth > len(leaf):
            raise EvaluationError(
                "a branch of a tree leads back to a node above it, so that a walk would not end; give trees without circles"
            )
        below = np.unique(np.concatenate((true[front], false[front])))
        front = below[~leaf[below]]
    return depth


def _padded_votes(table: Table, nodes: int, targets: int) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and weights of the votes of each node, both (node, vote).

    Votes of weight 0 for the column `targets` fill up the nodes with fewer votes.
    """
    # The order of votes within a leaf is kept, because votes are added in this order.
    order = np.argsort(table.vote_leaf, kind="stable")
    leaf = table.vote_leaf[order]
    count = np.bincount(leaf, minlength=nodes)
    width = allowed((nodes, max(1, int(count.max(initial=0)))), "a tree ensemble")[1]
    place = np.arange(len(leaf)) - (np.cumsum(count) - count)[leaf]
    target = np.full((nodes, width), targets, np.int64)
    weight = np.zeros((nodes, width), np.float64)
    target[leaf, place] = table.vote_target[order]
    weight[leaf, place] = table.vote_weight[order]
    return target, weight


def split_members(values: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the sets of a list in which each set ends with NaN.

    Examples
    --------
    >>> [s.tolist() for s in split_members(np.array([1.0, 2.0, np.nan, 3.0, np.nan]))]
    [[1.0, 2.0], [3.0]]
    """
    ends = np.flatnonzero(np.isnan(values))
    starts = np.concatenate(([0], ends + 1))
    sets = [values[a:b] for a, b in zip(starts, ends, strict=False)]
    rest = values[starts[-1] :]
    return tuple([*sets, rest] if len(rest) else sets)
