"""Runs the measurements and writes bench/results.md. Started by run.sh: measure.py COUNTERSIGN BINARIES full|quick [PART]."""

import atexit
import concurrent.futures
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import types
import urllib.request

import approvals
import console
import gateway
import nodes
import sizes

ROOT = pathlib.Path(__file__).resolve().parents[1]
BINARY, BINARIES, MODE = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), sys.argv[3]
QUICK = MODE == "quick"
SECONDS = 3 if QUICK else 10
RECORDS = 100_000 if QUICK else 1_000_000
AGENTS = 100 if QUICK else 400
CONNECTIONS = (1, 64, 256)
TOOLS = 20
# Of the five rules of a tool, for an ordinary action two say allow and three do not hold. The same as in src/bin/policy.rs.
RULES = """- { condition: "has(amount) && amount <= 500 && has(env) && env == 'production'", decision: allow }
- { condition: "has(labels) && has(labels.team) && labels.team in ['support', 'sales', 'finance']", decision: allow }
- { condition: "has(amount) && amount > 1000", decision: require_approval, approvers: [leads] }
- { condition: "has(args.path) && args.path.startsWith('/etc/')", decision: deny }
- { condition: "has(env) && !(env in ['production', 'staging']) || has(amount) && amount > 10000", decision: deny }
"""


def say(text):
    print(f"bench: {text}", flush=True)


def start(command, log):
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=log, text=True)
    atexit.register(process.kill)
    return process, json.loads(process.stdout.readline())["address"]


def stop(process):
    process.terminate()
    process.wait(120)


def call(address, key, method, path, body=None):
    request = urllib.request.Request(address + path, method=method, headers={"authorization": f"Bearer {key}"})
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, timeout=60) as answer:
        said = answer.read().decode()
    return json.loads(said) if said.startswith(("{", "[")) else said


def resident_mib(process):
    for line in open(f"/proc/{process.pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024


def processor_s(process):
    """Processor time of a process so far, all threads, user and system."""
    fields = open(f"/proc/{process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wrk(address, keys, connections, run, seconds=SECONDS):
    threads = min(2, connections)
    command = ["wrk", "-t", threads, "-c", connections, "-d", f"{seconds}s", "--timeout", "10s", "-s", ROOT / "bench/load.lua", address]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, env=os.environ | {"BENCH_KEYS": str(keys), "BENCH_RUN": run})
    requests, took, p50, p99, status, sockets, timeouts = map(int, done.stdout.split("RESULT ")[1].split("\n")[0].split())
    if status or sockets or timeouts:
        raise SystemExit(f"bench: {run}: {status} answers were refused, {sockets} connections failed, {timeouts} timed out")
    return {"rate": requests / (took / 1e6), "p50_ms": p50 / 1e3, "p99_ms": p99 / 1e3, "requests": requests}


def make(folder):
    policies = folder / "policies"
    policies.mkdir()
    for tool in range(TOOLS):
        name = f"{tool:03}"
        (policies / f"{name}.yaml").write_text(f"name: gate-{name}\non: [{{ tool: tool-{name} }}]\nrules:\n{RULES}")
    made = subprocess.run([BINARY, "init", "--json", "--data", folder / "data", "--policies", policies], check=True, capture_output=True, text=True)
    return json.loads(made.stdout)["admin_key"]


def serve(folder, log):
    return start([BINARY, "serve", "--json", "--data", folder / "data", "--listen", "127.0.0.1:0"], log)


def first_decision(folder, log, key):
    """Milliseconds from the start of the process to the answer of a first decision."""
    begin = time.perf_counter()
    process, address = serve(folder, log)
    body = {"tool": "tool-001", "action": "update", "env": "production", "amount": "1", "args": {"at": str(time.time_ns())}}
    answer = call(address, key, "POST", "/v1/actions", body)
    took = (time.perf_counter() - begin) * 1e3
    assert answer["status"] == "permitted", answer
    return took, process


def decisions(address, key):
    counts = {}
    for line in call(address, key, "GET", "/metrics").splitlines():
        if line.startswith("countersign_decisions_total{"):
            name = line.split('decision="')[1].split('"')[0]
            counts[name] = counts.get(name, 0) + float(line.rsplit(" ", 1)[1])
    return counts


def load(folder, results):
    log = open(folder / "serve.log", "wb")
    admin = make(folder)
    process, address = serve(folder, log)
    say(f"registering {AGENTS} agents")
    keys = folder / "keys"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        new = lambda n: call(address, admin, "POST", "/v1/agents", {"id": f"bot-{n}", "owner": "team:bench"})["key"]
        keys.write_text("\n".join(pool.map(new, range(AGENTS))) + "\n")
    key = keys.read_text().split()[0]
    stop(process)

    say("start to first decision, idle memory")
    times = []
    for _ in range(5):
        took, process = first_decision(folder, log, key)
        times.append(took)
        time.sleep(0.5)
        idle = resident_mib(process)
        stop(process)
    results["start_ms"], results["idle_mib"] = statistics.median(times), idle

    echo, echo_address = start([BINARIES / "echo"], log)
    process, address = serve(folder, log)
    results["echo"], results["decide"], results["mix"] = {}, {}, {}
    # Side by side, so that what else the machine does falls on both.
    for connections in CONNECTIONS:
        for server, child, name in ((echo_address, echo, "echo"), (address, process, "decide")):
            say(f"{name} at {connections} connections, {SECONDS} s")
            wrk(server, keys, connections, f"warm-{name}-{connections}", 1)
            before, spent = decisions(address, admin), processor_s(child)
            run = wrk(server, keys, connections, f"{name}-{connections}")
            run["processor_us"] = (processor_s(child) - spent) * 1e6 / run["requests"]
            results[name][connections] = run
            if name == "decide":
                after = decisions(address, admin)
                results["mix"][connections] = {name: after[name] - before.get(name, 0) for name in after}
    stop(echo)
    results["loaded_mib"] = resident_mib(process)
    results["records"] = call(address, admin, "GET", "/v1/audit/checkpoint")["size"]
    results["data_bytes"] = sum(file.stat().st_size for file in (folder / "data").rglob("*") if file.is_file())
    begin = time.perf_counter()
    stop(process)
    results["stop_ms"] = (time.perf_counter() - begin) * 1e3
    took, process = first_decision(folder, log, key)
    results["restart_ms"] = took
    process.kill()
    process.wait()
    took, process = first_decision(folder, log, key)
    results["restart_killed_ms"] = took
    stop(process)


# What is measured by a file of its own, and may be measured alone.
PARTS = {"nodes": nodes, "approvals": approvals, "sizes": sizes, "gateway": gateway, "console": console}


def several(folder, results, parts):
    tools = types.SimpleNamespace(
        binary=BINARY, policies=folder / "policies", say=say, call=call, start=start, stop=stop, wrk=wrk, agents=AGENTS, seconds=SECONDS,
        turn_speed=BINARY.parent / "examples/turn_speed", grow=BINARY.parent / "examples/grow_ledger", echo=BINARIES / "echo", resident_mib=resident_mib,
        root=ROOT, quick=QUICK,
    )
    for part in parts:
        results[part] = PARTS[part].measure(folder, tools)


def replay(results):
    say("deriving 20,000 decisions again")
    said = subprocess.run([BINARY.parent / "examples/replay_speed", "20000"], check=True, capture_output=True, text=True).stdout
    results["replay"] = said.strip().splitlines()[-1]


def simulate(results):
    say("trying a policy on 20,000 recorded decisions")
    said = subprocess.run([BINARY.parent / "examples/simulate_speed", "20000"], check=True, capture_output=True, text=True).stdout
    results["simulate"] = said.strip().splitlines()


def guards(results):
    say("the cost of all guards, and the memory of live windows")
    agents = "10000" if QUICK else "100000"
    said = subprocess.run([BINARY.parent / "examples/guard_speed", agents], check=True, capture_output=True, text=True).stdout
    results["guards"] = said.strip().splitlines()


def policy(results):
    say("policy evaluation beside Cedar and regorus")
    results["policy"], results["compile_ms"] = {}, {}
    for line in subprocess.run([BINARIES / "policy"], check=True, capture_output=True, text=True).stdout.splitlines():
        what, engine, rules, number = line.split()
        place = results["policy" if what == "decided" else "compile_ms"]
        place[engine, int(rules)] = float(number) / 1e3
        if what == "decided":
            say(f"  {rules} rules, {engine}: {float(number) / 1e3:.2f} µs")


def verification(folder, results):
    say(f"verification of {RECORDS:,} records")
    out = subprocess.run([BINARIES / "records", str(RECORDS)], check=True, capture_output=True, text=True).stdout
    said = dict(line.split(" ", 1) for line in out.splitlines())
    count, took = map(int, said["verified"].split()[:2])
    results["verify"] = {"records": count, "seconds": took / 1e3, "bytes": int(said["bytes"])}
    say("verification of 100,000 records in Python")
    export = folder / "export"
    out = subprocess.run([BINARIES / "records", "100000", export], check=True, capture_output=True, text=True).stdout
    vkey = dict(line.split(" ", 1) for line in out.splitlines())["vkey"]
    begin = time.perf_counter()
    subprocess.run([sys.executable, export / "verify.py", vkey, export], check=True, capture_output=True)
    results["verify_python_s"] = time.perf_counter() - begin
    begin = time.perf_counter()
    subprocess.run([BINARY, "audit", "verify", "--vkey", vkey, export], check=True, capture_output=True)
    results["verify_cli_s"] = time.perf_counter() - begin


def text(command):
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.strip()


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def report(results, before):
    now = datetime.datetime.now(datetime.timezone.utc)
    changed = " with uncommitted changes" if text(["git", "status", "--porcelain"]) else ""
    busy = before > 0.5
    out = [
        "# Measurements",
        "",
        "Written by `bench/run.sh`; ratios carry over to other machines, absolute figures do not.",
        "",
        f"- {now:%Y-%m-%d %H:%M} UTC, commit {text(['git', 'rev-parse', '--short=12', 'HEAD'])}{changed}, mode {MODE}",
        f"- {os.cpu_count()} cores ({processor()}), Linux {platform.release()}, {text(['rustc', '--version'])}",
        f"- load average before the start: {before:.2f}" + (" — **other work ran on this machine; take the figures as lower bounds**" if busy else ""),
        f"- wrk and the server share the same cores; {SECONDS} s a run; closed loop, so a slow answer delays the next request",
        "",
        "## Decisions over HTTP",
        "",
        "(a) is an axum server that parses the same body and writes it back: the ceiling. (b) is `countersign serve` with SQLite on",
        f"disk: a key is checked, {TOOLS * 5} rules over {TOOLS} tools are in force of which five are about the action, each request has other",
        "arguments and a fresh Idempotency-Key, and is answered once its record is durable, with a signed permit where one is due.",
        "",
        "| connections | (a) echo/s | p50 | p99 | (b) decisions/s | p50 | p99 | (b) ÷ (a) | processor a request, (a) and (b) | allow : approval : deny |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for c in CONNECTIONS:
        a, b, mix = results["echo"][c], results["decide"][c], results["mix"][c]
        total = sum(mix.values()) or 1
        share = " : ".join(f"{100 * mix.get(name, 0) / total:.0f}" for name in ("allow", "require_approval", "deny"))
        out.append(
            f"| {c} | {a['rate']:,.0f} | {a['p50_ms']:.2f} ms | {a['p99_ms']:.2f} ms | {b['rate']:,.0f} | {b['p50_ms']:.2f} ms | "
            f"{b['p99_ms']:.2f} ms | **{100 * b['rate'] / a['rate']:.0f} %** | {a['processor_us']:.0f} and {b['processor_us']:.0f} µs | {share} |"
        )
    a, b = results["echo"][64], results["decide"][64]
    ratio, p99 = b["rate"] / a["rate"], b["p99_ms"]
    out += [
        "",
        f"Aim: at 64 connections at least 45 % of (a) with p99 under 10 ms: {'met' if ratio >= 0.45 and p99 < 10 else '**not met**'} "
        f"({100 * ratio:.0f} %, {p99:.1f} ms).",
        "",
        f"Approvals come from {AGENTS} agents, since one agent may have 60 open; where they run out, the request is refused with",
        "`too_many_open` and still counts as `require_approval`.",
        "",
        f"What limits it: the processor. At 64 connections a decision costs the server {b['processor_us']:.0f} µs of it, the echo {a['processor_us']:.0f} µs (user and",
        "system time of the process); wrk's share comes on top and is the same for both.",
        "What a decision has beyond an echo: one Ed25519 signature for the permit (about 20 µs), strict parsing, redaction and",
        "the action digest (HMAC and SHA-256), the record's canonical bytes and leaf hash, and its share of a batch's SQLite rows; one",
        "checkpoint signature and one fsync are shared by a batch. At 1 connection the batch is one record, so the fsync is the limit.",
        "",
        "## Policy alone",
        "",
        "One decision, from a request in memory to the answer, the engine's own input included; microseconds, median of nine runs. Five",
        "rules a tool, so 10 rules are 2 tools and 1,000 are 200. Beside it, parsing and compiling all rules.",
        "",
        "| rules | countersign | Cedar | regorus (its virtual machine) | Cedar ÷ ours | regorus ÷ ours | compile: ours / Cedar / regorus |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    policy, compiled = results["policy"], results["compile_ms"]
    for rules in (10, 100, 1000):
        ours, cedar, rego = (policy[engine, rules] for engine in ("countersign", "cedar", "regorus"))
        ms = " / ".join(f"{compiled[engine, rules]:.1f}" for engine in ("countersign", "cedar", "regorus"))
        out.append(f"| {rules:,} | {ours:.2f} µs | {cedar:.1f} µs | {rego:.1f} µs | {cedar / ours:.0f}× | {rego / ours:.0f}× | {ms} ms |")
    growth = policy["countersign", 1000] / policy["countersign", 10]
    out += [
        "",
        f"Aim: 1,000 rules at most twice the cost of 10: {'met' if growth <= 2 else '**not met**'} ({growth:.2f}×). What limits it: making the input and "
        "the answer with its reasons;",
        "documents are found by tool, so rules about other tools cost nothing. Cedar and regorus look at every rule here; regorus has",
        "partial evaluation and Cedar policy slicing by entity for some shapes of rules, which this one does not use. regorus stands for",
        "OPA as well: OPA's own binary is in none of the registries (crates.io, PyPI, npm, Debian), where only clients of its server are.",
        "",
        "## Start and memory",
        "",
        "| what | measured |",
        "| --- | --- |",
        f"| start of the process to the first decision, {AGENTS} agents, {TOOLS * 5} rules | {results['start_ms']:.0f} ms |",
        f"| the same over {results['records']:,} records, after a stop | {results['restart_ms']:.0f} ms |",
        f"| the same, after a kill -9 | {results['restart_killed_ms']:.0f} ms |",
        f"| memory when idle | {results['idle_mib']:.0f} MiB |",
        f"| memory after the load above | {results['loaded_mib']:.0f} MiB |",
        f"| disk a record, everything included | {results['data_bytes'] / results['records']:,.0f} bytes |",
        f"| stop after the load | {results['stop_ms']:.0f} ms |",
        "",
        f"Aim: a first decision within a second of start: {'met' if results['start_ms'] < 1000 else '**not met**'}. What limits it: folding what came after the",
        "last sealed state. Memory after load is what is still open: approvals that wait, permits that live, a day of idempotency keys.",
        "",
        "## Verification of an export",
        "",
        "| what | measured |",
        "| --- | --- |",
    ]
    v = results["verify"]
    out += [
        f"| Rust, {v['records']:,} records ({v['bytes'] / 1e6:,.0f} MB) | {v['seconds']:.2f} s, {v['records'] / v['seconds']:,.0f} records/s |",
        f"| `countersign audit verify`, 100,000 records from disk | {results['verify_cli_s']:.2f} s |",
        f"| `python3 verify.py`, 100,000 records from disk | {results['verify_python_s']:.1f} s |",
        "",
        "What limits it: one core; SHA-256 and the check of the canonical form of every record.",
        "",
        f"Deriving decisions again (`audit replay`'s core): {results['replay']}",
        *[f"Trying a policy on recorded decisions (`policy simulate`'s core), {line}" for line in results["simulate"]],
        "",
        "Guards (two budgets and three limits on each action, in-process): " + "; ".join(results["guards"]) + ".",
        "",
    ]
    for part, module in PARTS.items():
        out += module.report(results[part])
    (ROOT / "bench/results.md").write_text("\n".join(out))
    say("wrote bench/results.md")


def main():
    results, before = {}, os.getloadavg()[0]
    if before > 0.5:
        say(f"the load average is {before:.2f}: something else runs on this machine")
    # On the disk that the repository is on, not on a temporary file system in memory.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=BINARIES) as folder:
        folder = pathlib.Path(folder)
        if sys.argv[4:]:
            make(folder)
            several(folder, results, sys.argv[4:])
            print("\n".join(line for part in sys.argv[4:] for line in PARTS[part].report(results[part])))
            return
        policy(results)
        load(folder, results)
        verification(folder, results)
        replay(results)
        simulate(results)
        guards(results)
        several(folder, results, PARTS)
    report(results, before)
    print((ROOT / "bench/results.md").read_text())


main()
