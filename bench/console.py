"""The console's pages with ten thousand open requests and a large ledger behind them. Started by measure.py."""

import http.client
import json
import re
import statistics
import subprocess
import time

AGENTS, EACH = 200, 50
RECORDS, RECORDS_QUICK = 1_000_000, 100_000
LOOKS = 40
BATCH = 1000
AIM_MS, AIM_BYTES = 50, 100_000
POLICIES = {"budgets.yaml": """budgets: [{ name: day, action: pay, per: day, limit: 1000000 USD, estimate: 1 }]
""", "limits.yaml": """limits: [{ name: often, action: pay, count: 1000000, within: 1d }]
""", "gate.yaml": """name: gate
rules:
- { condition: "action == 'pay'", decision: require_approval, approvers: [leads] }
- { condition: "action == 'read'", decision: allow }
"""}
# Every place of the navigation, and one of each thing that has a page of its own.
PAGES = ["/inbox", "/inbox?of=teams", "/inbox?of=all", "/approvals/{approval}", "/overview", "/overview/kpis", "/runs", "/runs/{run}", "/agents", "/agents/agent-0", "/tools",
         "/policies", "/policies/{policy}", "/playground", "/budgets", "/budgets/day", "/limits/often", "/kill", "/schedules", "/audit",
         "/actions/{action}", "/audit/records/100", "/callbacks", "/settings"]


class Visitor:
    """A browser's connection that stays, with a session's cookie."""

    def __init__(self, address, session):
        self.connection = http.client.HTTPConnection(address.split("//")[1], timeout=60)
        self.headers = {"cookie": f"__Host-countersign={session}", "host": "localhost"}

    def get(self, path):
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        body = answer.read()
        return answer.status, body

    def timed(self, path):
        took = []
        for _ in range(LOOKS):
            begin = time.perf_counter()
            status, body = self.get(path)
            took.append((time.perf_counter() - begin) * 1e3)
            assert status == 200, f"{path}: {status} {body[:300]}"
        took.sort()
        return {"p50_ms": statistics.median(took), "p95_ms": took[int(len(took) * 0.95)], "bytes": len(body)}


def measure(folder, tools):
    records = RECORDS_QUICK if tools.quick else RECORDS
    home = folder / "console"
    (home / "policies").mkdir(parents=True)
    for name, text in POLICIES.items():
        (home / "policies" / name).write_text(text)
    made = subprocess.run(
        [tools.binary, "init", "--json", "--org", "bench", "--data", home / "data", "--policies", home / "policies"],
        check=True, capture_output=True, text=True,
    )
    admin = json.loads(made.stdout)["admin_key"]
    process, address = tools.start([tools.binary, "serve", "--json", "--data", home / "data", "--listen", "127.0.0.1:0"], open(home / "log", "w"))
    lead = tools.call(address, admin, "POST", "/v1/users", {"id": "lead", "roles": ["admin", "reviewer"], "teams": ["leads"]})["key"]
    keys = [tools.call(address, admin, "POST", "/v1/agents", {"id": f"agent-{n}", "owner": "team:bench"})["key"] for n in range(AGENTS)]
    tools.say(f"{records:,} records and {AGENTS * EACH:,} open requests for the console")
    reads = [{"action": "read", "args": {"n": n}} for n in range(BATCH)]
    for number in range(records // BATCH):
        tools.call(address, keys[number % AGENTS], "POST", "/v1/actions:batch", {"actions": reads})
    for key in keys:
        pays = [{"action": "pay", "amount": str(n + 1), "args": {"n": n}} for n in range(EACH)]
        last = tools.call(address, key, "POST", "/v1/actions:batch", {"actions": pays})["results"][-1]["action"]
    run = tools.call(address, keys[0], "POST", "/v1/runs", {"trigger": "event"})["run"]
    for number in range(20):
        tools.call(address, keys[0], "POST", "/v1/actions", {"action": "read", "run": run, "args": {"n": number}})
    live = next(it["hash"] for it in tools.call(address, admin, "GET", "/v1/policies")["snapshots"] if it["live"])
    visitor = Visitor(address, tools.call(address, "", "POST", "/v1/sessions", {"key": lead})["session"])
    places = {"approval": last["approval"]["id"], "action": last["id"], "run": run, "policy": live}
    pages = {page: visitor.timed(page.format(**places)) for page in PAGES}
    _, html = visitor.get("/inbox")
    assets = {path: len(visitor.get(path)[1]) for path in sorted(set(re.findall(r'/assets/[^"]+', html.decode())))}
    tools.stop(process)
    return {"records": records, "open": AGENTS * EACH, "pages": pages, "assets": sum(assets.values())}


def report(results):
    r = results
    out = [
        "## The console",
        "",
        f"SQLite on disk, {r['records']:,} decisions and {r['open']:,} open requests. Each page {LOOKS} times one after the other over one connection,",
        f"by an admin who may decide them all. Beside each page a browser loads {r['assets']:,} bytes of style, script and icon, once. Aim: under {AIM_MS} ms (p95) and, with",
        f"the assets, under {AIM_BYTES // 1000} kB.",
        "",
        "| page | p50 | p95 | bytes | aim |",
        "| --- | --- | --- | --- | --- |",
    ]
    for page, m in r["pages"].items():
        met = m["p95_ms"] < AIM_MS and m["bytes"] + r["assets"] < AIM_BYTES
        out.append(f"| `{page}` | {m['p50_ms']:.1f} ms | {m['p95_ms']:.1f} ms | {m['bytes']:,} | {'met' if met else '**not met**'} |")
    return out + [""]
