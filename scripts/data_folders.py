"""Real images and sounds as folders of class folders, for the scripts that measure on them."""

import math
import random
import tarfile
import zipfile
from pathlib import Path

ANIMALS = ["bird", "cat", "deer", "dog", "frog", "horse"]
VEHICLES = ["airplane", "automobile", "ship", "truck"]


def unpack(data: Path, work: Path) -> Path:
    """`free-spoken-digits.tar.gz`, `omniglot-images_background_small1.zip` and `cifar10-jpeg.tar.gz` of `data`, in `work`."""
    folder = work / "data"
    if not folder.exists():
        for archive in data.glob("*.tar.gz"):
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
        for archive in data.glob("*.zip"):
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(folder)
    return folder


def link(folder: Path, groups: dict[str, list[Path]]) -> Path:
    """A folder of class folders that link to the files."""
    for name, files in groups.items():
        (folder / name).mkdir(parents=True)
        for number, file in enumerate(files):
            (folder / name / f"{number:05}{file.suffix}").symlink_to(file.resolve())
    return folder


def photographs(data: Path) -> dict[str, list[Path]]:
    """The training images of CIFAR-10, by class."""
    train = next(data.glob("**/train/airplane")).parent
    return {folder.name: sorted(folder.glob("*.jpg")) for folder in sorted(train.iterdir())}


def alphabets(data: Path) -> dict[str, Path]:
    """Omniglot's folders of characters, by alphabet."""
    folders = next(data.glob("**/images_background_small1")).iterdir()
    return {folder.name.lower().replace("_", "-"): folder for folder in sorted(folders) if folder.is_dir()}


def recordings(data: Path, speaker: str) -> dict[str, list[Path]]:
    """A speaker's recordings, by digit."""
    found = {}
    for file in sorted(next(data.glob("**/recordings")).glob("*.wav")):
        digit, who, _ = file.stem.split("_")
        if who == speaker:
            found.setdefault(digit, []).append(file)
    return found


def by_character(folder: Path) -> dict[str, list[Path]]:
    """The drawings of an alphabet, by character."""
    return {of.name: sorted(of.glob("*.png")) for of in sorted(folder.iterdir())}


def few(files: dict[str, list[Path]], n: int, n_test: int, folder: Path, seed: int) -> Path:
    """A folder of train/ with `n` examples a class and test/ with `n_test`, drawn by the seed."""
    chance = random.Random(seed)
    drawn = {name: chance.sample(own, n + n_test) for name, own in files.items()}
    link(folder / "train", {name: own[:n] for name, own in drawn.items()})
    link(folder / "test", {name: own[n:] for name, own in drawn.items()})
    return folder


def interval(values: list[float]) -> str:
    """The mean and half of its 95 % interval, by the normal approximation."""
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / max(len(values) - 1, 1)
    return f"{mean:+.3f} ± {1.96 * math.sqrt(variance / len(values)):.3f}"
