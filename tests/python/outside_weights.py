"""The first layers of a narrow ResNet of random weights, with the tensor names of torchvision and a head of 5 classes.

    python outside_weights.py FOLDER

writes outside.safetensors, outside.pt (TorchScript) and outside.pth (the state dict) into the folder: how search/testdata was made.
"""
import sys
import zipfile

import torch
from torch import nn

import safetensors_io


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(8, 8, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(8)

    def forward(self, x):
        return torch.relu(x + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = nn.Sequential(Block())
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        return self.fc(self.layer1(torch.relu(self.bn1(self.conv1(x)))).mean((2, 3)))


def without_debugging(path):
    """Takes out what torch notes for error messages: the paths of the machine's source files."""
    with zipfile.ZipFile(path) as held:
        files = [(entry, held.read(entry)) for entry in held.infolist() if not entry.filename.endswith(".debug_pkl")]
    with zipfile.ZipFile(path, "w") as made:
        for entry, content in files:
            made.writestr(entry, content)


def main(folder):
    torch.manual_seed(1)
    net = Net()
    net(torch.randn(4, 3, 8, 8))  # the norms remember something
    net.eval()
    safetensors_io.save(f"{folder}/outside.safetensors", net.state_dict())
    # Other strides and a window into a larger storage, as files of others have them.
    net.conv1.weight.data = net.conv1.weight.data.contiguous(memory_format=torch.channels_last)
    whole = torch.zeros(3, 5, 8)
    whole[1] = net.fc.weight.data
    net.fc.weight.data = whole[1]
    torch.jit.script(net).save(f"{folder}/outside.pt")
    without_debugging(f"{folder}/outside.pt")
    torch.save(net.state_dict(), f"{folder}/outside.pth")


if __name__ == "__main__":
    main(*sys.argv[1:])
