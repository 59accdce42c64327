"""What the size of a ledger does to decisions over HTTP, and to a start.

Started by measure.py, which gives it what it needs. Each ledger is made by the engine itself (`grow_ledger`), in a folder of
its own that is removed when it was measured: half a year of decisions, nothing of it open any more.
"""

import os
import shutil
import subprocess
import time

QUICK = (10_000, 100_000, 1_000_000)
# `cargo xtask long` asks for ten million; they take about 11 GB of disk for as long as they are measured.
SIZES = tuple(map(int, os.environ["COUNTERSIGN_BENCH_SIZES"].split(","))) if "COUNTERSIGN_BENCH_SIZES" in os.environ else QUICK
CONNECTIONS = 64
AGENTS = 100


def start(tools, data, key):
    """Milliseconds from the start of the process to the answer of a first decision."""
    begin = time.perf_counter()
    process, address = tools.start([tools.binary, "serve", "--json", "--data", data, "--listen", "127.0.0.1:0", "--signer-state", data.parent / "signer"], subprocess.DEVNULL)
    body = {"tool": "tool-001", "action": "update", "env": "production", "amount": "1", "args": {"at": str(time.time_ns())}}
    answer = tools.call(address, key, "POST", "/v1/actions", body)
    assert answer["status"] == "permitted", answer
    return (time.perf_counter() - begin) * 1e3, process, address


def measure(folder, tools):
    rows = []
    for size in SIZES:
        tools.say(f"a ledger of {size:,} records")
        place = folder / f"size-{size}"
        data, keys = place / "data", place / "keys"
        place.mkdir()
        begin = time.perf_counter()
        grown = subprocess.run([tools.grow, data, tools.policies, str(size), str(AGENTS)], check=True, capture_output=True, text=True)
        row = {"size": size, "made_s": time.perf_counter() - begin}
        keys.write_text("\n".join(grown.stdout.split()[1:]) + "\n")
        key = grown.stdout.split()[1]
        row["bytes"] = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
        # A stop has sealed the state: a start loads it and folds what came after.
        row["start_ms"], process, address = start(tools, data, key)
        process.kill()
        process.wait()
        # Without the stored state every record is folded: the worst that a start can take.
        subprocess.run(["python3", "-c", FORGET, str(data / "ledger.db")], check=True)
        row["fold_ms"], process, address = start(tools, data, key)
        echo, echo_address = tools.start([tools.echo], subprocess.DEVNULL)
        for name, server in (("echo", echo_address), ("decide", address)):
            tools.wrk(server, keys, CONNECTIONS, f"warm-{name}-{size}", 1)
            row[name] = tools.wrk(server, keys, CONNECTIONS, f"{name}-{size}", tools.seconds)
        row["mib"] = tools.resident_mib(process)
        tools.stop(echo)
        process.kill()
        process.wait()
        shutil.rmtree(place)
        rows.append(row)
    return rows


FORGET = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as store:
    store.execute("DELETE FROM states")
"""


def report(rows):
    out = [
        "",
        "## The size of a ledger",
        "",
        f"Ledgers of half a year of decisions on SQLite, each made by the engine; {CONNECTIONS} connections, echo and decisions one after the other.",
        "*Start* is from the start of the process to the answer of a first decision: the state that the last stop sealed is loaded,",
        "and what came after is folded. *Start without a sealed state* folds every record.",
        "",
        "| records | decisions/s | p50 | p99 | echo/s | decisions ÷ echo | start | start without a sealed state | memory | disk |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        a, b = row["echo"], row["decide"]
        out.append(
            f"| {row['size']:,} | {b['rate']:,.0f} | {b['p50_ms']:.2f} ms | {b['p99_ms']:.2f} ms | {a['rate']:,.0f} | "
            f"{100 * b['rate'] / a['rate']:.0f} % | {row['start_ms']:,.0f} ms | {row['fold_ms']:,.0f} ms | {row['mib']:,.0f} MiB | {row['bytes'] / 1e6:,.0f} MB |"
        )
    first, last = rows[0], rows[-1]
    ratio = (last["decide"]["rate"] / last["echo"]["rate"]) / (first["decide"]["rate"] / first["echo"]["rate"])
    flat = ratio >= 0.8 and last["decide"]["p99_ms"] <= 2 * max(first["decide"]["p99_ms"], 5)
    out += [
        "",
        f"Aim: flat: {'met' if flat else '**not met**'}. At {last['size']:,} records the share of echo is {100 * ratio:.0f} % of that at {first['size']:,}.",
    ]
    return out
