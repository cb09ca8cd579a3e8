"""Opens a network that Heirloom has exported and computes with it.

    python open_network.py FOLDER

reads net.pt, net.safetensors and io.safetensors (x as in the data set, y the scores) of a chain of two convolution blocks with
max pools, and prints the largest differences from y: of the module, of a network made by hand from the tensors, and of the
module on CUDA, where there is one.
"""
import json
import sys

import torch
from torch.nn import functional

import safetensors_io


def by_hand(x, tensors, card):
    x = (x - torch.tensor(card["mean"])[:, None, None]) / torch.tensor(card["scale"])[:, None, None]
    for block in ["block1", "block2"]:
        x = functional.conv2d(x, tensors[f"{block}.0.weight"], padding="same")
        norm = [tensors[f"{block}.1.{name}"] for name in ["running_mean", "running_var", "weight", "bias"]]
        x = functional.relu(functional.batch_norm(x, *norm))
        x = functional.max_pool2d(x, 3, 2, 1)
    return functional.linear(x.mean((2, 3)), tensors["head.1.weight"], tensors["head.1.bias"])


def main(folder):
    io, _ = safetensors_io.load(f"{folder}/io.safetensors")
    tensors, metadata = safetensors_io.load(f"{folder}/net.safetensors")
    module = torch.jit.load(f"{folder}/net.pt")
    with torch.no_grad():
        answers = [module(io["x"]), by_hand(io["x"], tensors, json.loads(metadata["heirloom"]))]
        if torch.cuda.is_available():
            torch.backends.cudnn.allow_tf32 = False
            answers.append(torch.jit.load(f"{folder}/net.pt", map_location="cuda")(io["x"].cuda()).cpu())
    print(json.dumps([(answer - io["y"]).abs().max().item() for answer in answers]))


if __name__ == "__main__":
    main(*sys.argv[1:])
