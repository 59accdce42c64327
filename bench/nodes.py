"""One, two and three servers over one PostgreSQL: decisions a second, how soon a vote on one releases who waits on another, and
how soon a kill on one is obeyed by all.

Started by measure.py, which gives it what it needs. PostgreSQL is Debian's, in a folder of its own on a free port, durable as
it comes (fsync and synchronous_commit on), stopped at the end.
"""

import atexit
import concurrent.futures
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import threading
import time
import urllib.error

NODES = (1, 2, 3)
CONNECTIONS = 96
VOTES = 60
KILLS = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    """A cluster in `folder`, owned by the user `postgres` where we are root."""

    def __init__(self, folder):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
        if not found:
            raise SystemExit("bench: PostgreSQL is missing: apt-get install postgresql")
        self.bin, self.data, self.port = found[-1], folder / "data", free_port()
        # The user `postgres` has to get there.
        folder.parent.chmod(0o755)
        folder.mkdir()
        self.user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if self.user:
            shutil.chown(folder, "postgres")
        self.run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-instructions")
        options = f"-p {self.port} -k {folder} -c listen_addresses=127.0.0.1 -c shared_buffers=512MB -c max_wal_size=4GB"
        self.run("pg_ctl", "-D", self.data, "-l", folder / "log", "-w", "-o", options, "start")
        atexit.register(self.stop)

    def run(self, program, *args):
        subprocess.run([*self.user, self.bin / program, *map(str, args)], check=True, capture_output=True, cwd="/")

    def create(self, name):
        self.run("createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres", name)
        return f"postgres://postgres@127.0.0.1:{self.port}/{name}?sslmode=disable"

    def stop(self):
        subprocess.run([*self.user, self.bin / "pg_ctl", "-D", self.data, "-m", "immediate", "stop"], capture_output=True, cwd="/")


def release(call, addresses, agent, reviewer):
    """Milliseconds from sending a vote to one node until who waits at another has the answer."""
    took = []
    for place in range(VOTES):
        waits, votes = addresses[place % len(addresses)], addresses[(place + 1) % len(addresses)]
        body = {"tool": "tool-001", "action": "update", "env": "production", "amount": "1500", "args": {"at": str(time.time_ns())}}
        pending = call(waits, agent, "POST", "/v1/actions", body)
        assert pending["status"] == "pending", pending
        answered = {}

        def wait():
            answered["action"] = call(waits, agent, "GET", f"/v1/actions/{pending['id']}?wait=30s")
            answered["at"] = time.perf_counter()

        waiter = threading.Thread(target=wait)
        waiter.start()
        # Until the other request waits.
        time.sleep(0.05)
        vote = {"verb": "approve", "comment": "fine", "action_digest": pending["action_digest"], "snapshot": pending["snapshot"]}
        begin = time.perf_counter()
        call(votes, reviewer, "POST", f"/v1/approvals/{pending['approval']['id']}/votes", vote)
        waiter.join()
        assert answered["action"]["status"] == "permitted", answered
        took.append((answered["at"] - begin) * 1e3)
    took.sort()
    return {"p50_ms": statistics.median(took), "p95_ms": took[int(len(took) * 0.95)], "max_ms": took[-1]}


def refused(call, address, key, body):
    """When a node refused a permit, and that it did so because of the kill."""
    try:
        call(address, key, "POST", "/v1/permits/redeem", body)
    except urllib.error.HTTPError as error:
        assert json.loads(error.read())["code"] == "killed", error
        return time.perf_counter()
    raise SystemExit(f"bench: {address} let a permit through after the kill was acknowledged")


def kill(call, addresses, keys, admin):
    """Milliseconds from the acknowledgement of a kill on one node until the last of them has refused a permit from before, and
    those that the acknowledgement takes."""
    acknowledged, obeyed = [], []
    for place, key in enumerate(keys[:KILLS]):
        permits = []
        for at, address in enumerate(addresses):
            action = {"tool": "tool-001", "action": "update", "env": "production", "amount": "1", "args": {"at": f"{place}-{at}"}}
            decided = call(address, key, "POST", "/v1/actions", action)
            permits.append((address, key, {"permit": decided["permit"], "action": action}))
        begin = time.perf_counter()
        call(addresses[place % len(addresses)], admin, "POST", "/v1/kill", {"scope": "agent", "name": f"bot-{place}"})
        told = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(len(permits)) as pool:
            last = max(pool.map(lambda permit: refused(call, *permit), permits))
        acknowledged.append((told - begin) * 1e3)
        obeyed.append((last - told) * 1e3)
    spread = lambda took: {"p50_ms": statistics.median(took), "max_ms": max(took)}
    return {"acknowledged": spread(acknowledged), "obeyed": spread(obeyed)}


def measure(folder, tools):
    """`tools`: binary, policies, say, call, start, stop, wrk, agents, seconds. Gives what was measured, by number of nodes."""
    postgres = Postgres(folder / "postgres")
    results = {}
    for nodes in NODES:
        url, key_file = postgres.create(f"nodes{nodes}"), folder / f"nodes{nodes}.key"
        where = ["--database-url", url, "--key-file", key_file, "--signer-state", folder / f"signer{nodes}"]
        made = subprocess.run(
            list(map(str, [tools.binary, "init", "--json", *where, "--policies", tools.policies])), check=True, capture_output=True, text=True
        )
        admin = json.loads(made.stdout)["admin_key"]
        log = open(folder / f"nodes{nodes}.log", "wb")
        servers = [tools.start([tools.binary, "serve", "--json", *where, "--listen", "127.0.0.1:0"], log) for _ in range(nodes)]
        addresses = [address for _, address in servers]
        keys = folder / f"keys{nodes}"
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            new = lambda n: tools.call(addresses[n % nodes], admin, "POST", "/v1/agents", {"id": f"bot-{n}", "owner": "team:bench"})["key"]
            keys.write_text("\n".join(pool.map(new, range(tools.agents))) + "\n")
        reviewer = tools.call(addresses[-1], admin, "POST", "/v1/users", {"id": "dana", "roles": ["reviewer"], "teams": ["leads"]})["key"]
        each = CONNECTIONS // nodes
        tools.say(f"PostgreSQL, {nodes} node{'s' * (nodes > 1)}, {each} connections each, {tools.seconds} s")
        with concurrent.futures.ThreadPoolExecutor(nodes) as pool:
            load = lambda n, run: tools.wrk(addresses[n], keys, each, f"{run}-{nodes}-{n}", tools.seconds if run == "pg" else 1)
            list(pool.map(lambda n: load(n, "warm"), range(nodes)))
            runs = list(pool.map(lambda n: load(n, "pg"), range(nodes)))
        results[nodes] = {
            "rate": sum(run["rate"] for run in runs),
            "p50_ms": statistics.median(run["p50_ms"] for run in runs),
            "p99_ms": max(run["p99_ms"] for run in runs),
            "release": release(tools.call, addresses, keys.read_text().split()[0], reviewer),
            "kill": kill(tools.call, addresses, keys.read_text().split(), admin),
        }
        for process, _ in servers:
            tools.stop(process)
    tools.say("records within turns, and the same rows inserted bare")
    # The example's address has the whole database to itself.
    command = [tools.turn_speed, postgres.create("append"), str(tools.seconds)]
    said = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout
    results["append"] = [line for line in said.splitlines() if "records/s" in line]
    postgres.stop()
    return results


def report(results):
    out = [
        "## Several nodes over one PostgreSQL",
        "",
        f"PostgreSQL on the same {os.cpu_count()} cores and disk, durable as it comes; the same policies and requests as above, {CONNECTIONS} connections",
        "in all, spread over the nodes. *Release*: from sending a vote to one node until the agent that waits at another has its answer",
        f"({VOTES} votes, no other load). *Kill*: from the acknowledgement of a kill until the last node has refused a permit from before",
        f"({KILLS} kills, the longest in brackets); none was let through.",
        "",
        "| nodes | decisions/s | p50 | p99 | release p50 | p95 | longest | kill acknowledged | obeyed by all |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for count in NODES:
        n = results[count]
        r = n["release"]
        told, obeyed = (f"{k['p50_ms']:.1f} ms ({k['max_ms']:.1f})" for k in (n["kill"]["acknowledged"], n["kill"]["obeyed"]))
        out.append(
            f"| {count} | {n['rate']:,.0f} | {n['p50_ms']:.1f} ms | {n['p99_ms']:.1f} ms | {r['p50_ms']:.1f} ms | {r['p95_ms']:.1f} ms | {r['max_ms']:.1f} ms | {told} | {obeyed} |"
        )
    slowest = max(results[count]["release"]["p95_ms"] for count in NODES)
    return out + [
        "",
        f"Aim: a vote on one node releases who waits on another within 100 ms: {'met' if slowest < 100 else '**not met**'} (p95 {slowest:.0f} ms).",
        "",
        "The ceiling: records appended within turns, and the same rows inserted bare into the same PostgreSQL, without turns, heads or",
        "notices:",
        "",
        "```text",
        *results["append"],
        "```",
        "",
        "What limits it: all nodes and the database share the cores, and the nodes take turns on one organization's ledger, so more nodes",
        "do not decide more for it; they are there to survive each other. Organizations do not wait for each other.",
        "",
    ]
