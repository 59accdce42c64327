"""What the wrapper and the gateway add to a call of an MCP tool, beside the same call without them and beside another proxy.
Started by measure.py."""

import http.client
import json
import os
import statistics
import subprocess
import sys
import time
import venv

CALLS, WARM, STARTS = 400, 20, 15
PEER = "mcp-proxy==0.13.0"
# A server of one tool that does nothing, so that what is measured is the way to it.
SERVER = """import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    answers = {
        "initialize": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "bench", "version": "1"}},
        "tools/list": {"tools": [{"name": "look", "inputSchema": {"type": "object"}}]},
        "tools/call": {"content": [{"type": "text", "text": "seen"}], "isError": False},
    }
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": answers.get(asked["method"], {})}), flush=True)
"""
POLICY = "agent: bench\npermissions: [{ tool: 'bench/*', allowed: true }]\n"
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}


def message(number, method, params):
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


def call_of(number):
    return message(number, "tools/call", {"name": "look", "arguments": {"at": number}})


class Pipe:
    """A client over standard input and output."""

    def __init__(self, command, env):
        self.process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.ask(message(0, "initialize", HELLO))
        self.process.stdin.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n')

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


class Http:
    """A client over Streamable HTTP, on one connection that stays."""

    def __init__(self, url, key):
        host, self.path = url.removeprefix("http://").split("/", 1)
        self.connection = http.client.HTTPConnection(host, timeout=60)
        self.headers = {"content-type": "application/json", "accept": "application/json, text/event-stream", "authorization": f"Bearer {key}"}
        self.ask(message(0, "initialize", HELLO))
        self.post('{"jsonrpc":"2.0","method":"notifications/initialized"}')

    def post(self, line):
        self.connection.request("POST", "/" + self.path, line, self.headers)
        answer = self.connection.getresponse()
        said = answer.read().decode()
        assert answer.status in (200, 202), (answer.status, said)
        if session := answer.getheader("mcp-session-id"):
            self.headers["mcp-session-id"] = session
        return said

    def ask(self, line):
        said = self.post(line)
        data = [part.removeprefix("data:") for part in said.splitlines() if part.startswith("data:")]
        return json.loads(data[-1] if data else said)

    def close(self):
        self.connection.close()


def times(client):
    took = []
    for number in range(1, WARM + CALLS + 1):
        begin = time.perf_counter()
        answer = client.ask(call_of(number))
        took.append((time.perf_counter() - begin) * 1e3)
        assert answer["id"] == number and answer["result"]["content"][0]["text"] == "seen", answer
    client.close()
    took = sorted(took[WARM:])
    return {"p50_ms": statistics.median(took), "p99_ms": took[int(len(took) * 0.99)]}


def start_ms(command, env):
    """From the start of the command to the answer to a first message, the server's own start included."""
    took = []
    for _ in range(STARTS):
        begin = time.perf_counter()
        pipe = Pipe(command, env)
        took.append((time.perf_counter() - begin) * 1e3)
        pipe.close()
    return statistics.median(took)


def peer(root):
    """The other proxy, installed once."""
    place = root / "target/bench-gateway"
    program = place / "bin/mcp-proxy"
    if not program.exists():
        venv.create(place, with_pip=True)
        subprocess.run([place / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PEER], check=True)
    return program


def listening(process, url, key):
    """A client of a server that has just been started, once it listens."""
    until = time.monotonic() + 30
    while True:
        try:
            return Http(url, key)
        except (ConnectionError, http.client.HTTPException):
            assert process.poll() is None and time.monotonic() < until, f"nothing listens at {url}"
            time.sleep(0.05)


def free_port():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def measure(folder, tools):
    home = folder / "gateway"
    (home / "policies").mkdir(parents=True)
    (home / "policies/bench.yaml").write_text(POLICY)
    (home / "server.py").write_text(SERVER)
    server = [sys.executable, str(home / "server.py")]
    made = subprocess.run(
        [tools.binary, "init", "--json", "--data", home / "data", "--policies", home / "policies"], check=True, capture_output=True, text=True
    )
    admin, log = json.loads(made.stdout)["admin_key"], open(home / "log", "w")
    process, address = tools.start([tools.binary, "serve", "--json", "--data", home / "data", "--listen", "127.0.0.1:0"], log)
    key = tools.call(address, admin, "POST", "/v1/agents", {"id": "bench", "owner": "team:bench"})["key"]
    env = {**os.environ, "COUNTERSIGN_SERVER": address, "COUNTERSIGN_KEY": key, "XDG_STATE_HOME": str(home / "state")}
    wrap = [str(tools.binary), "mcp", "wrap", "--server", "bench", "--", *server]
    tools.say(f"{CALLS} calls of a tool: bare, wrapped, through the gateway, through {PEER}")
    results = {"bare": times(Pipe(server, env)), "wrap": times(Pipe(wrap, env))}
    (home / "servers.json").write_text(json.dumps({"mcpServers": {"bench": {"command": server[0], "args": server[1:]}}}))
    gateway = [str(tools.binary), "mcp", "serve", "--servers", str(home / "servers.json"), "--listen"]
    port = free_port()
    ours = subprocess.Popen([*gateway, f"127.0.0.1:{port}"], env=env, stdout=subprocess.DEVNULL, stderr=log)
    results["serve"] = times(listening(ours, f"http://127.0.0.1:{port}/mcp/bench", key))
    port = free_port()
    other = subprocess.Popen([peer(tools.root), "--port", str(port), "--", *server], stdout=log, stderr=log)
    results["peer"] = times(listening(other, f"http://127.0.0.1:{port}/mcp", key))
    results["start_bare_ms"], results["start_wrap_ms"] = start_ms(server, env), start_ms(wrap, env)
    for child in (ours, other):
        child.terminate()
        child.wait(30)
    tools.stop(process)
    return results


def report(r):
    bare = r["bare"]
    row = lambda name, way, what: (
        f"| {name} | {way['p50_ms']:.2f} ms | {way['p99_ms']:.2f} ms | {way['p50_ms'] - bare['p50_ms']:+.2f} ms | {way['p99_ms'] - bare['p99_ms']:+.2f} ms | {what} |"
    )
    return [
        "## Calls of MCP tools",
        "",
        f"One client, {CALLS} calls one after the other of a tool that does nothing, on a server in Python behind a pipe. Each call through",
        "Countersign is decided, its permit is issued and used, both on disk, before the tool runs; what came of it is reported behind",
        f"the answer. `{PEER}` hands calls on and decides nothing.",
        "",
        "| way | p50 | p99 | p50 more than bare | p99 more than bare | what it does |",
        "| --- | --- | --- | --- | --- | --- |",
        row("bare, by a pipe", bare, "nothing"),
        row("`countersign mcp wrap`", r["wrap"], "decides, records, uses a permit, reports"),
        row("`countersign mcp serve`, HTTP to a pipe", r["serve"], "the same"),
        row(f"`{PEER}`, HTTP to a pipe", r["peer"], "hands on"),
        "",
        f"From the start to the answer to `initialize`: bare {r['start_bare_ms']:.0f} ms, wrapped {r['start_wrap_ms']:.0f} ms, median of {STARTS}.",
        "",
    ]
