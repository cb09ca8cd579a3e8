"""Gives an exported network raw rows of a table, prepared as its card says.

    python raw_rows.py NET.pt TABLE.csv

prints the scores of every row as JSON, a list a row.
"""
import csv
import json
import sys

import torch


def value(feature, cell):
    is_missing = cell in ("", "?")
    match feature["value"]:
        case "number":
            return (feature["if_missing"] if is_missing else float(cell)) - feature.get("less", 0.0)
        case "is":
            return float(cell == feature["word"])
        case "is-other":
            return float(not is_missing and cell not in feature["than"])
        case "is-missing":
            return float(is_missing)


def main(net, table):
    extra = {"heirloom": ""}
    module = torch.jit.load(net, _extra_files=extra)
    features = json.loads(extra["heirloom"])["preparation"]["features"]
    with open(table, newline="") as file:
        rows = [[value(feature, row[feature["column"]]) for feature in features] for row in csv.DictReader(file)]
    with torch.no_grad():
        print(json.dumps(module(torch.tensor(rows)).tolist()))


if __name__ == "__main__":
    main(*sys.argv[1:])
