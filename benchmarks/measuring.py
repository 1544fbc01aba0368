"""Paired measurements: the machine's speed drifts, so both sides run in turn and the ratio is taken pair by pair."""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any


def paired(ours: Callable[[], Any], peer: Callable[[], Any], runs: int = 5) -> dict[str, float]:
    """Median CPU seconds of both sides and of their ratio (peer / ours), after one run of each that does not count."""
    ours(), peer()
    pairs = [(_cpu_seconds(ours), _cpu_seconds(peer)) for _ in range(runs)]
    return {
        "ours_cpu_seconds": statistics.median(mine for mine, _ in pairs),
        "peer_cpu_seconds": statistics.median(theirs for _, theirs in pairs),
        "times_faster": statistics.median(theirs / mine for mine, theirs in pairs),
    }


def tell(name: str, rows: dict[str, dict[str, Any]]) -> None:
    """Print one JSON object with `--json`, else a Markdown table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_known_args()[0].json
    if as_json:
        print(json.dumps({"benchmark": name, "machine": platform.processor() or platform.machine(), "rows": rows}))
        return
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    print(f"| {name} | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|")
    for label, row in rows.items():
        cells = (f"{row[c]:.3g}" if isinstance(row.get(c), float) else str(row.get(c, "")) for c in columns)
        print(f"| {label} | " + " | ".join(cells) + " |")


def _cpu_seconds(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
