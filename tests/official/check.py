"""What Countersign hands out, checked with other people's code. Started by run.sh: check.py BINARY PLACE all|quick."""

import hashlib
import hmac
import http.server
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import jwt
import standardwebhooks

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY, PLACE, MODE = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), sys.argv[3]
POLICY = """name: gate
on: [{ tool: crm }, { action: "read*" }, { action: "pay*" }, { action: "wipe*" }]
rules:
- { condition: "action.startsWith('read')", decision: allow }
- { condition: "action.startsWith('issue')", decision: allow_with_constraints, constraints: { max_cost: 50.00, timeout: 300s } }
- { condition: "action.startsWith('pay')", decision: require_approval, approvers: [leads] }
- { condition: "action.startsWith('wipe')", decision: deny }
"""
# What schemathesis checks, and what not:
# - positive_data_acceptance: what the schema allows can still be refused for what it means (a key that is not there);
# - ensure_resource_availability, use_after_free: nothing here is created and then deleted by its id.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "ignored_auth",
]
checked = 0


def check(what, holds):
    global checked
    if not holds:
        raise SystemExit(f"official: FAILED: {what}")
    checked += 1
    print(f"  ok  {what}")


def refused(what, work, *errors):
    try:
        work()
    except errors:
        return check(what, True)
    check(what, False)


# RFC 8785 over what json.loads gives, in thirty lines of its own.
def canonical(value):
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
    return "{" + ",".join(canonical(key) + ":" + canonical(value[key]) for key in keys) + "}"


def number(value):
    """ECMAScript's text of a double: Python has the same digits, but another exponent."""
    if value == 0:
        return "0"
    sign, digits, point = "-" if value < 0 else "", *decimal(abs(value))
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{sign}{mantissa}e{'+' if point > 0 else '-'}{abs(point - 1)}"


def decimal(value):
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole.lstrip("0")) if whole.strip("0") else len(digits) - len(fraction)
    return digits.rstrip("0"), point + int(exponent or 0)


def amount(text):
    """The shortest decimal text of an amount."""
    sign, text = ("-", text[1:]) if text.startswith("-") else ("", text)
    text = text.rstrip("0").rstrip(".") if "." in text else text
    text = text.lstrip("0") or "0"
    text = "0" + text if text.startswith(".") else text
    return text if text == "0" else sign + text


def bound(org, agent, body, tool_schema=None):
    """What an action digest is taken over: docs/api.md."""
    tool = body.get("tool")
    value = {
        "org": org,
        "agent": agent,
        "tool": tool,
        "tool_schema": tool_schema,
        "action": body.get("action") or tool.rsplit("/", 1)[-1],
        "args": body.get("args", {}),
        "amount": amount(body["amount"]) if "amount" in body else None,
    }
    value.update({name: body.get(name) for name in ("principal", "resource", "env", "access", "currency")})
    return canonical({name: part for name, part in value.items() if part is not None}).encode()


def digest(salt, text):
    return hashlib.sha256(b"countersign-action-v1\0" + salt + text).hexdigest()


def vectors():
    files = sorted((ROOT / "tests/golden/digest").glob("*.json"))
    check(f"there are {len(files)} golden vectors of the action digest", len(files) >= 8)
    for file in files:
        vector = json.loads(file.read_text("utf-8"))
        text = bound(vector["org"], vector["agent"], json.loads(vector["body"]), vector["tool_schema"])
        salt = hmac.new(bytes.fromhex(vector["key"]), text, hashlib.sha256).digest()[:16]
        same = text.decode() == vector["text"] and salt.hex() == vector["salt"]
        check(f"digest of {file.stem}: {vector['about']}", same and digest(salt, text) == vector["digest"])


class Receiver(http.server.BaseHTTPRequestHandler):
    got = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Server:
    """A real server on a folder of its own."""

    def __init__(self, folder, callbacks_to):
        data, policies = folder / "data", folder / "policies"
        policies.mkdir()
        (policies / "gate.yaml").write_text(POLICY)
        init = [BINARY, "init", "--json", "--data", data, "--policies", policies, "--org", "acme"]
        made = json.loads(subprocess.run(init, check=True, capture_output=True, text=True).stdout)
        self.admin = made["admin_key"]
        self.log = open(folder / "serve.log", "wb")
        serve = [BINARY, "serve", "--json", "--data", data, "--listen", "127.0.0.1:0", "--allow-callbacks-to", callbacks_to]
        self.process = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.address = json.loads(self.process.stdout.readline())["address"]

    def call(self, method, path, body=None, key=None):
        request = urllib.request.Request(self.address + path, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        request.add_header("authorization", f"Bearer {key or self.admin}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"official: {method} {path}: {error.code} {error.read().decode()}")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


def permits(server, agent):
    body = {"tool": "crm", "action": "issue_refund", "amount": "340.00", "currency": "USD", "args": {"order": "4521", "n": [1.50, 1e-7]}}
    answer = server.call("POST", "/v1/actions", body, agent)
    check("an action is permitted within constraints", answer["status"] == "permitted" and answer["decision"] == "allow_with_constraints")
    token = answer["permit"]
    keys = jwt.PyJWKClient(server.address + "/.well-known/jwks.json")

    def claims(token, audience="crm", **more):
        key = keys.get_signing_key_from_jwt(token).key
        return jwt.decode(token, key, algorithms=["EdDSA"], audience=audience, **more)

    said = claims(token, options={"require": ["exp", "iat", "aud", "iss", "sub", "jti"]})
    check("its permit verifies with PyJWT and the key set", said["sub"] == "bot" and said["use"] == "redeem")
    check("it ends within five minutes", 0 < said["exp"] - said["iat"] <= 300)
    check("it carries the constraints", said["cst"] == {"max_cost": "50.00", "timeout": "300s"})
    check("it names the record and the snapshot", (said["rec"], said["snp"]) == (answer["receipt"]["index"], answer["snapshot"]))
    ours = digest(bytes.fromhex(said["slt"]), bound("acme", "bot", body))
    check("Python recomputes the action digest from the permit's salt", ours == said["act"] == answer["action_digest"])
    other = dict(body, amount="341")
    check("another amount has another digest", digest(bytes.fromhex(said["slt"]), bound("acme", "bot", other)) != said["act"])
    refused("another audience is refused", lambda: claims(token, audience="aws-cli"), jwt.InvalidAudienceError)
    refused("an expired permit is refused", lambda: claims(token, leeway=-301, options={"verify_iat": False}), jwt.ExpiredSignatureError)
    header, payload, signature = token.split(".")
    flips = 0
    for part, text in enumerate((header, payload, signature)):
        for place in range(0, len(text) - 1, 7):
            parts = [header, payload, signature]
            parts[part] = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1:]
            try:
                key = keys.get_signing_key(jwt.get_unverified_header(token)["kid"]).key
                jwt.decode(".".join(parts), key, algorithms=["EdDSA"], audience="crm")
                check(f"character {place} of part {part} was changed and the permit still verifies", False)
            except (jwt.InvalidTokenError, UnicodeDecodeError):
                flips += 1
    check(f"a changed character is refused, at {flips} places", flips > 50)
    redeemed = server.call("POST", "/v1/permits/redeem", {"permit": token, "action": other | {"amount": "340"}}, agent)
    check("the permit can be redeemed with the whole action, spelled otherwise", redeemed["go"] is True)


def verify_npm(secret, headers, body):
    text = json.dumps({"secret": secret, "headers": headers, "body": body.decode()})
    script = PLACE / "node/webhook.js"
    shutil.copy(ROOT / "tests/official/webhook.js", script)
    return subprocess.run(["node", script], input=text, text=True, capture_output=True, timeout=60).returncode == 0


def callbacks(server, agent, port):
    url = f"http://127.0.0.1:{port}/hook"
    secret = server.call("POST", "/v1/callbacks", {"url": url})["secret"]
    check("a receiver's secret has the form of Standard Webhooks", secret.startswith("whsec_"))
    action = server.call("POST", "/v1/actions", {"action": "read", "callback_url": url + "/1", "args": {"text": "é\u2028😀"}}, agent)
    deadline = time.monotonic() + 30
    while not Receiver.got and time.monotonic() < deadline:
        time.sleep(0.05)
    check("the callback arrives", len(Receiver.got) == 1)
    headers, body = Receiver.got[0]
    hook = standardwebhooks.Webhook(secret)
    said = hook.verify(body, headers)
    check("it verifies with standardwebhooks from PyPI", said["type"] == "action.final")
    check("it says what became of the action", said["data"]["action"]["id"] == action["id"])
    size = int(said["data"]["checkpoint"].split("\n")[1])
    check("it carries a checkpoint that covers the decision", size > action["receipt"]["index"])
    check("it verifies with standardwebhooks from npm", verify_npm(secret, headers, body))
    error = standardwebhooks.WebhookVerificationError
    changed = bytes([body[0]]) + body[1:-1].replace(b"action", b"actiom", 1) + body[-1:]
    refused("a changed body is refused by PyPI's", lambda: hook.verify(changed, headers), error)
    check("a changed body is refused by npm's", not verify_npm(secret, headers, changed))
    for name, value in (("webhook-id", "msg_0"), ("webhook-timestamp", str(int(headers["webhook-timestamp"]) - 1))):
        turned = dict(headers, **{name: value})
        refused(f"another {name} is refused by PyPI's", lambda: hook.verify(body, turned), error)
        check(f"another {name} is refused by npm's", not verify_npm(secret, turned, body))
    first = headers["webhook-signature"].split(" ")[0]
    bad = first[:5] + ("A" if first[5] != "A" else "B") + first[6:]
    turned = dict(headers, **{"webhook-signature": bad})
    refused("a changed signature is refused by PyPI's", lambda: hook.verify(body, turned), error)
    check("a changed signature is refused by npm's", not verify_npm(secret, turned, body))


def schemathesis(folder):
    for who in ("agent", "admin"):
        # A server of its own, since the admin's run may stop everything.
        place = folder / who
        place.mkdir()
        server = Server(place, "127.0.0.1:9")
        agent = server.call("POST", "/v1/agents", {"id": "bot", "owner": "team:ops"})["key"]
        report = PLACE / f"schemathesis-{who}.json"
        command = [
            PLACE / "venv/bin/schemathesis", "run", server.address + "/openapi.json",
            # What is told as it happens has no end to wait for.
            "--exclude-path", "/v1/events",
            # Many calls are tried without a key, and whoever does that faster than 20 times a second is turned away for a while.
            "--rate-limit", "100/s",
            "--header", f"Authorization: Bearer {agent if who == 'agent' else server.admin}",
            "--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing", "--max-examples", os.environ.get("COUNTERSIGN_SCHEMATHESIS", "20"),
            "--generation-deterministic", "--no-shrink", "--continue-on-failure",
            "--request-timeout", "20", "--suppress-health-check", "all", "--warnings", "off", "--no-color",
            "--report", "json", "--report-json-path", report,
        ]
        print(f"── schemathesis with the key of an {who}", flush=True)
        started = time.monotonic()
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=place, timeout=900)
        (PLACE / f"schemathesis-{who}.log").write_text(done.stdout + done.stderr)
        alive = server.process.poll() is None
        server.stop()
        if done.returncode:
            print(done.stdout[-6000:], done.stderr[-2000:])
        check("the server lives on", alive)
        check(f"no 5xx and no undocumented answer to an {who} ({time.monotonic() - started:.0f} s)", done.returncode == 0)


def main():
    vectors()
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    port = receiver.server_address[1]
    with tempfile.TemporaryDirectory(prefix="countersign-official-") as folder:
        folder = pathlib.Path(folder)
        server = Server(folder, f"127.0.0.1:{port}")
        try:
            agent = server.call("POST", "/v1/agents", {"id": "bot", "owner": "team:ops"})["key"]
            permits(server, agent)
            callbacks(server, agent, port)
        finally:
            server.stop()
        if MODE != "quick":
            schemathesis(folder)
    print(f"official: {checked} checks hold")


main()
