"""Which architectures of the built-in cell spaces are one: a peer that proposes an isomorph of a member of the pool has
proposed that member. Spaces that are not listed have no isomorphs."""

from __future__ import annotations

from functools import cache
from itertools import permutations
from typing import Any

EDGES = (("edge.1.0", 1, 0), ("edge.2.0", 2, 0), ("edge.2.1", 2, 1), ("edge.3.0", 3, 0), ("edge.3.1", 3, 1),
         ("edge.3.2", 3, 2))
LINKS = ("0000", "0001", "0011", "0012", "0013", "0111", "0112", "0122", "0123")


def nas_bench_201(architecture: dict[str, Any]) -> dict[str, Any]:
    """Section 2.2 of NAS-Bench-201 (arXiv:2001.00326): each node is the sorted sum of its edges. The result is a label, not a
    cell; equal for isomorphic cells."""
    nodes = ["0", "", "", ""]
    for target in (1, 2, 3):
        terms = []
        for name, to, source in EDGES:
            if to == target:
                op, from_node = architecture[name], nodes[source]
                if op == "none" or from_node == "#":
                    terms.append("#")
                else:
                    terms.append(from_node if op == "skip_connect" else f"({from_node})@{op}")
        nodes[target] = "+".join(sorted(terms))
    return {"edge.1.0": nodes[3]}


def nas_bench_graph(architecture: dict[str, Any]) -> dict[str, Any]:
    """The form of the benchmark's own table (arXiv:2206.09166): skips that change nothing stand first, and of the orders of
    the nodes the first one counts."""
    ops = tuple(architecture[f"op{node}"] for node in (1, 2, 3, 4))
    link, ops = _graph_tree(architecture["link"], ops)
    return {"link": link, **{f"op{at + 1}": op for at, op in enumerate(ops)}}


@cache
def _graph_tree(link: str, ops: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    fathers = [0, *(int(digit) for digit in link)]
    op = [None, *ops]
    gone: list[int] = []
    while (idle := _idle_skip(fathers, op, gone)) is not None:
        gone.append(idle)
        fathers = [fathers[idle] if father == idle else father for father in fathers]
    row = sorted(gone)
    last = row[-1] if row else 0
    for node in (1, 2, 3, 4):
        if node in row:
            fathers[node] = row[row.index(node) - 1] if node != row[0] else 0
        elif fathers[node] == 0:
            fathers[node] = last
    return _first_order(fathers, op)


def _idle_skip(fathers: list[int], op: list[Any], gone: list[int]) -> int | None:
    """A skip that passes on to others, or is its father's only child, or hands out the network's input."""
    for node in (1, 2, 3, 4):
        if node in gone or op[node] != "skip":
            continue
        others = [other for other in (1, 2, 3, 4) if other not in gone and other != node]
        has_child = any(fathers[other] == node for other in others)
        has_sibling = any(fathers[other] == fathers[node] for other in others)
        if has_child or not has_sibling or _hands_out_input(fathers, op, node):
            return node
    return None


def _hands_out_input(fathers: list[int], op: list[Any], node: int) -> bool:
    while node > 0:
        if op[node] != "skip":
            return False
        node = fathers[node]
    return True


def _first_order(fathers: list[int], op: list[Any]) -> tuple[str, tuple[str, ...]]:
    found = []
    for order in permutations((1, 2, 3, 4)):
        place = {0: 0} | {node: at + 1 for at, node in enumerate(order)}
        link = "".join(str(place[fathers[node]]) for node in order)
        if link in LINKS:
            found.append((link, tuple(OPS.index(op[node]) for node in order)))
    link, positions = min(found)
    return link, tuple(OPS[at] for at in positions)


OPS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")
CANONICAL = {"nas-bench-201/1": nas_bench_201, "nas-bench-graph/1": nas_bench_graph}
