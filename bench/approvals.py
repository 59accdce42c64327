"""Ten thousand open requests: a person's queue, votes, and timers that are all due at once. Started by measure.py."""

import concurrent.futures
import http.client
import json
import statistics
import subprocess
import threading
import time
import urllib.request

AGENTS, EACH = 200, 60  # 60 is what one agent may have open at once
VOTES, VOTERS = 2000, 16
WITHIN_S = 45
LOOKS = 60
ORGANIZATION = f"""organization: bench
routes:
  desk:
    steps:
      - {{ to: ["team:desk"], within: {WITHIN_S}s }}
      - {{ to: ["team:leads"] }}
    deadline: 6h
"""
GATE = "name: gate\nrules:\n- { decision: require_approval, approvers: [desk] }\n"


def milliseconds(look):
    took = []
    for _ in range(LOOKS):
        begin = time.perf_counter()
        look()
        took.append((time.perf_counter() - begin) * 1e3)
    took.sort()
    return {"p50_ms": statistics.median(took), "p95_ms": took[int(len(took) * 0.95)]}


def vote_all(address, keys, waiting):
    """Votes a second, over connections that stay; the votes are for what the queue showed."""
    host, left, lock = address.split("//")[1], list(waiting), threading.Lock()

    def voter(key):
        connection = http.client.HTTPConnection(host, timeout=60)
        while True:
            with lock:
                if not left:
                    return
                request = left.pop()
            body = json.dumps({"verb": "approve", "action_digest": request["action_digest"], "snapshot": request["snapshot"]})
            headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
            connection.request("POST", f"/v1/approvals/{request['approval']['id']}/votes", body, headers)
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status == 200, said

    begin = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(VOTERS) as pool:
        for done in [pool.submit(voter, keys[n % len(keys)]) for n in range(VOTERS)]:
            done.result()
    return len(waiting) / (time.perf_counter() - begin)


def escalations(address, key, after):
    """Times of the records of escalations from index `after` on."""
    times, index = [], after
    while True:
        request = urllib.request.Request(f"{address}/v1/audit/records?from={index}&limit=1000", headers={"authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            lines = [json.loads(line) for line in answer.read().splitlines()]
        if not lines:
            return times
        for record in lines:
            index = record["seq"] + 1
            if record["type"] == "approval.step_started" and record["data"]["reason"] == "timed_out":
                times.append(record["ts"])


def seconds_between(first, last):
    moment = lambda text: time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) + float("0" + text[19:].rstrip("Z"))
    return moment(last) - moment(first)


def measure(folder, tools):
    home = folder / "approvals"
    (home / "policies").mkdir(parents=True)
    (home / "policies/organization.yaml").write_text(ORGANIZATION)
    (home / "policies/gate.yaml").write_text(GATE)
    made = subprocess.run(
        [tools.binary, "init", "--json", "--org", "bench", "--data", home / "data", "--policies", home / "policies"],
        check=True, capture_output=True, text=True,
    )
    admin, log = json.loads(made.stdout)["admin_key"], open(home / "log", "w")
    serve = [tools.binary, "serve", "--json", "--data", home / "data", "--listen", "127.0.0.1:0"]
    process, address = tools.start(serve, log)
    person = lambda id, team: tools.call(address, admin, "POST", "/v1/users", {"id": id, "roles": ["reviewer"], "teams": [team]})["key"]
    desk = [person(f"desk-{n}", "desk") for n in range(4)]
    person("lead", "leads")
    tools.say(f"{AGENTS * EACH:,} open requests")
    waiting = []
    for number in range(AGENTS):
        key = tools.call(address, admin, "POST", "/v1/agents", {"id": f"agent-{number}", "owner": "team:bench"})["key"]
        actions = [{"action": "pay", "amount": str(n + 1), "args": {"n": n}} for n in range(EACH)]
        results = tools.call(address, key, "POST", "/v1/actions:batch", {"actions": actions})["results"]
        waiting += [result["action"] for result in results]
    opened = time.monotonic()
    assert all(action["status"] == "pending" for action in waiting)
    queue = milliseconds(lambda: tools.call(address, desk[0], "GET", "/v1/approvals?mine=true"))
    rate = vote_all(address, desk, waiting[:VOTES])
    # The agent of the last request has 59 more like it, all of them open: what was before has to look at each.
    newest = waiting[-1]["approval"]["id"]
    history = milliseconds(lambda: tools.call(address, desk[0], "GET", f"/v1/approvals/{newest}/history"))
    last = tools.call(address, admin, "GET", "/v1/audit/checkpoint")
    size = int(last["checkpoint"].split("\n")[1])
    # While nothing runs, the time of every step passes; the start finds them all due.
    tools.stop(process)
    time.sleep(max(0.0, WITHIN_S + 1 - (time.monotonic() - opened)))
    process, address = tools.start(serve, log)
    wanted, times = AGENTS * EACH - VOTES, []
    until = time.monotonic() + 120
    while len(times) < wanted and time.monotonic() < until:
        time.sleep(0.5)
        times = escalations(address, admin, size)
    assert len(times) == wanted, f"{len(times)} of {wanted} steps were escalated"
    tools.stop(process)
    return {"open": AGENTS * EACH, "queue": queue, "history": history, "votes": rate, "timers": wanted, "timers_s": seconds_between(min(times), max(times))}


def report(results):
    r = results
    queue, fast = r["queue"]["p50_ms"] < 20, r["timers_s"] < 1
    before = r["history"]["p50_ms"] < 10
    return [
        "## Ten thousand open requests",
        "",
        f"SQLite on disk, {r['open']:,} open requests on a route of two steps. *Queue*: `GET /v1/approvals?mine=true`, the first hundred in",
        f"full, {LOOKS} times one after the other. *History*: `GET /v1/approvals/…/history` where 59 requests like it are open, as often.",
        f"*Votes*: {VOTES:,} over {VOTERS} connections from Python, each issues a permit. *Timers*: the server",
        "is started when every step has let its time pass; from the first to the last record that asks the next step.",
        "",
        "| what | measured | aim |",
        "| --- | --- | --- |",
        f"| queue, p50 and p95 | {r['queue']['p50_ms']:.1f} and {r['queue']['p95_ms']:.1f} ms | under 20 ms: {'met' if queue else '**not met**'} |",
        f"| history, p50 and p95 | {r['history']['p50_ms']:.1f} and {r['history']['p95_ms']:.1f} ms | under 10 ms: {'met' if before else '**not met**'} |",
        f"| votes a second | {r['votes']:,.0f} | 1,000: {'met' if r['votes'] >= 1000 else '**not met**'} |",
        f"| {r['timers']:,} due timers | {r['timers_s']:.2f} s | under a second: {'met' if fast else '**not met**'} |",
        "",
    ]
