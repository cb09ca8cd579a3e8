"""Gives an exported network raw rows of a table, prepared as its card says.

    python raw_rows.py NET.pt TABLE.csv

prints the scores of every row as JSON, a list a row.
"""
import csv
import json
import sys
from datetime import date, datetime, timezone

import torch


def number(text, written):
    match written:
        case "percent":
            return float(text.rstrip("%").strip().replace(",", "."))
        case "thousands-by-comma":
            return float(text.replace(",", ""))
        case "thousands-by-point":
            return float(text.replace(".", "").replace(",", "."))
        case "decimal-comma":
            return float(text.replace(",", "."))
        case "date":
            return (date.fromisoformat(text.replace("/", "-")) - date(1970, 1, 1)).days
        case "time":
            moment = datetime.fromisoformat(text.replace("/", "-"))
            return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
        case _:
            return float(text)


def value(feature, cell, table):
    text = cell.strip()
    is_missing = text.lower() in table["missing"]
    match feature["value"]:
        case "number":
            is_missing = is_missing or text.lower() in table["missing_among_numbers"]
            known = feature["if_missing"] if is_missing else number(text, feature.get("written"))
            return known - feature.get("less", 0.0)
        case "is":
            return float(text == feature["word"])
        case "is-other":
            return float(not is_missing and text not in feature["than"])
        case "is-missing":
            # Beside a number the texts that are missing among numbers are missing too.
            is_number = any(other["column"] == feature["column"] and other["value"] == "number" for other in table["features"])
            return float(is_missing or is_number and text.lower() in table["missing_among_numbers"])


def main(net, table):
    extra = {"heirloom": ""}
    module = torch.jit.load(net, _extra_files=extra)
    prepared = json.loads(extra["heirloom"])["preparation"]
    with open(table, newline="") as file:
        rows = [[value(feature, row[feature["column"]], prepared) for feature in prepared["features"]] for row in csv.DictReader(file)]
    with torch.no_grad():
        print(json.dumps(module(torch.tensor(rows)).tolist()))


if __name__ == "__main__":
    main(*sys.argv[1:])
