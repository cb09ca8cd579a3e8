"""safetensors files with nothing but torch: 8 bytes of length, a JSON head, the numbers."""
import json
import struct

import torch

KINDS = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64}


def save(path, tensors):
    names = {kind: name for name, kind in KINDS.items()}
    head, data = {}, b""
    for name, tensor in tensors.items():
        raw = tensor.detach().contiguous().numpy().tobytes()
        head[name] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def load(path):
    """The tensors and the metadata."""
    with open(path, "rb") as file:
        raw = file.read()
    (length,) = struct.unpack("<Q", raw[:8])
    head, data = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    metadata = head.pop("__metadata__", {})
    tensors = {}
    for name, entry in head.items():
        start, end = entry["data_offsets"]
        flat = torch.frombuffer(bytearray(data[start:end]), dtype=KINDS[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"])
    return tensors, metadata
