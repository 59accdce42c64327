"""Exports read with other people's code: Python's csv, pyarrow, the published OCSF schema, boto3 against moto's S3.

Started by exports.sh: exports.py BINARY. The binary has the features `parquet` and `s3`.
"""

import csv
import datetime
import hashlib
import json
import os
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import boto3
import botocore.exceptions
import jsonschema
import pyarrow
import pyarrow.parquet
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

BINARY = pathlib.Path(sys.argv[1]).resolve()
# The newest that a package carries. What 1.9.0 adds and the export uses is `ai_agent`: checked by hand below.
OCSF = "1.8.0"
POLICY = """name: gate
on: [{ tool: crm }]
rules:
- { condition: "action.startsWith('pay')", decision: require_approval, approvers: [leads] }
- { condition: "action.startsWith('wipe')", decision: deny }
- { condition: "!action.startsWith('pay') && !action.startsWith('wipe')", decision: allow }
"""
KILLS = 25
checked = 0


def check(what, holds):
    global checked
    if not holds:
        raise SystemExit(f"exports: FAILED: {what}")
    checked += 1
    print(f"  ok  {what}", flush=True)


def clean_environment(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COUNTERSIGN_", "AWS_"))}
    return kept | more


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def run(*arguments, env=None, code=0):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, env=env or clean_environment())
    if done.returncode != code:
        raise SystemExit(f"exports: {arguments} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class Server:
    """A real server on a folder of its own, with some records."""

    def __init__(self, folder):
        data, policies = folder / "data", folder / "policies"
        policies.mkdir()
        (policies / "gate.yaml").write_text(POLICY)
        made = json.loads(run("init", "--json", "--data", data, "--policies", policies, "--org", "acme"))
        self.admin, self.vkey = made["admin_key"], made["vkey"]
        self.log = open(folder / "serve.log", "wb")
        serve = [BINARY, "serve", "--json", "--data", data, "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=self.log, text=True, env=clean_environment())
        self.address = json.loads(self.process.stdout.readline())["address"]
        self.agent = json.loads(run("agents", "add", "bot", "--owner", "team:support", "--data", data, "--json"))["key"]

    def act(self, action, **more):
        request = urllib.request.Request(self.address + "/v1/actions", method="POST")
        request.data = json.dumps({"tool": "crm", "action": action} | more).encode()
        request.add_header("content-type", "application/json")
        request.add_header("authorization", f"Bearer {self.agent}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"exports: {action}: {error.code} {error.read().decode()}")

    def records(self):
        lines, at = [], 0
        while True:
            request = urllib.request.Request(f"{self.address}/v1/audit/records?from={at}&limit=1000")
            request.add_header("authorization", f"Bearer {self.admin}")
            with urllib.request.urlopen(request, timeout=60) as answer:
                page = answer.read().decode().splitlines()
            if not page:
                return lines
            lines += page
            at += len(page)

    def environment(self, **more):
        return clean_environment(COUNTERSIGN_SERVER=self.address, COUNTERSIGN_KEY=self.admin, **more)

    def export(self, *arguments, code=0, **env):
        return run("audit", "export", "--json", *arguments, env=self.environment(**env), code=code)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


def original(cell):
    """A cell of the CSV as it was: without the apostrophe in front."""
    return cell[1:] if cell.startswith("'") else cell


def tables(server, folder):
    for action in ["=cmd|' /C calc'!A0", "+1+1", "@SUM(A1)", "wipe, \"all\" now", "look é 😀"]:
        server.act(action, args={"n": random.random()})
    server.act("pay", amount="-40.50", currency="EUR")
    lines = server.records()
    server.export("--format", "csv", "--to", folder / "csv", "--payloads")
    server.export("--format", "parquet", "--to", folder / "parquet", "--payloads")
    with open(folder / "csv/records.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    check(f"Python's csv reads {len(lines)} records", len(rows) == len(lines))
    leaves = [hashlib.sha256(b"\0" + line.encode()).hexdigest() for line in lines]
    check("each with its leaf hash", [row["leaf_hash"] for row in rows] == leaves)
    check("no cell begins as a formula", not any(v[:1] in "=+-@\t\r" for r in rows for v in r.values() if v and v != "-40.50"))
    said = [json.loads(line) for line in lines]
    actions = [record["data"].get("action", "") for record in said]
    check("and every action can be had back", [original(row["action"]) for row in rows] == actions)
    check("payloads went along", any(row["payload_state"] == "open" and row["payload"] for row in rows))
    table = pyarrow.parquet.read_table(folder / "parquet/records.parquet")
    check("pyarrow reads the Parquet file", table.num_rows == len(lines))
    check("with the columns of the CSV", table.column_names == list(rows[0]))
    types = {name: table.schema.field(name).type for name in ("seq", "ts", "actor_verified", "agent")}
    wanted = {"seq": pyarrow.int64(), "ts": pyarrow.timestamp("us", tz="UTC"), "actor_verified": pyarrow.bool_(), "agent": pyarrow.string()}
    check("typed", types == wanted)
    for row, typed, record in zip(rows, table.to_pylist(), said, strict=True):
        for name, value in typed.items():
            if isinstance(value, bool):
                value = str(value).lower()
            elif isinstance(value, datetime.datetime):
                value = value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            text = "" if value is None else str(value)
            if text != original(row[name]):
                check(f"{name} of record {record['seq']} is the same in both: {text!r}, {row[name]!r}", False)
    check("and every value is the same in both", True)


def events(server, folder):
    server.export("--format", "ocsf", "--to", folder / "ocsf", "--payloads")
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=OCSF))
    validators, count = {}, 0
    for line in open(folder / "ocsf/events.ocsf.jsonl", encoding="utf-8"):
        event = json.loads(line)
        agent = event.pop("ai_agent", None)
        if agent is not None and not agent.get("uid"):
            check("an AI agent has its uid", False)
        profiles = tuple(event["metadata"]["profiles"])
        if profiles not in validators:
            definition = schema.get_class_schema(class_name="api_activity", profiles=list(profiles))
            validators[profiles] = jsonschema.Draft202012Validator(definition)
        problems = [f"{'/'.join(map(str, p.absolute_path))}: {p.message[:200]}" for p in validators[profiles].iter_errors(event)]
        if problems:
            check(f"event {event['metadata']['uid']} fits the published schema: {problems}", False)
        count += 1
    check(f"{count} events fit the published schema of OCSF {OCSF}, class API Activity", count > 10)
    broken = dict(event, activity_id="1")
    check("and the schema refuses what is wrong", not validators[profiles].is_valid(broken))
    broken = {name: value for name, value in event.items() if name != "src_endpoint"}
    check("or is not there", not validators[profiles].is_valid(broken))


class Storage:
    """moto's S3, on a port of its own."""

    def __init__(self, folder):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = open(folder / "moto.log", "wb")
        moto = [pathlib.Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", str(port)]
        self.process = subprocess.Popen(moto, stdout=self.log, stderr=self.log, env=clean_environment())
        self.env = {
            "AWS_ACCESS_KEY_ID": "exporter", "AWS_SECRET_ACCESS_KEY": "not a secret", "AWS_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": self.url, "AWS_ALLOW_HTTP": "true",
        }
        self.s3 = boto3.client(
            "s3", endpoint_url=self.url, region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                self.s3.list_buckets()
                break
            except botocore.exceptions.BotoCoreError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        where = {"LocationConstraint": "eu-central-1"}
        self.s3.create_bucket(Bucket="vault", CreateBucketConfiguration=where, ObjectLockEnabledForBucket=True)
        self.s3.create_bucket(Bucket="plain", CreateBucketConfiguration=where)

    def keys(self, bucket, prefix=""):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", []))

    def read(self, bucket, key):
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def lock(self, bucket, key):
        head = self.s3.head_object(Bucket=bucket, Key=key)
        return head.get("ObjectLockMode"), head.get("ObjectLockRetainUntilDate")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


def buckets(server, folder, storage):
    server.export("--to", "s3://plain/2026/bundle", "--payloads", **storage.env)
    local = folder / "from-s3"
    for key in storage.keys("plain", "2026/bundle/"):
        path = local / key.removeprefix("2026/bundle/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(storage.read("plain", key))
    said = run("audit", "verify", "--vkey", server.vkey, local)
    check("a bundle in a bucket verifies", "VERIFIED" in said and "NOT VERIFIED" not in said)
    said = server.export("--format", "csv", "--to", "s3://plain/2026/bundle", code=2, **storage.env)
    check("a folder that is taken is refused", "is not empty" in said)
    wrong = server.export("--format", "csv", "--to", "s3://nowhere/x", code=3, **storage.env)
    check("a bucket that is not there is said", "NoSuchBucket" in wrong or "does not exist" in wrong)

    server.export("--format", "csv", "--to", "s3://vault/day", "--lock-until", "2033-01-01", **storage.env)
    keys = storage.keys("vault", "day/")
    check("a locked export is there", keys == ["day/checkpoint", "day/records.csv"])
    for key in keys:
        mode, until = storage.lock("vault", key)
        check(f"{key} is locked until then", (mode, f"{until:%Y-%m-%dT%H:%M:%S}") == ("COMPLIANCE", "2033-01-01T00:00:00"))
    version = storage.s3.head_object(Bucket="vault", Key="day/records.csv")["VersionId"]
    try:
        storage.s3.delete_object(Bucket="vault", Key="day/records.csv", VersionId=version)
        check("nobody deletes it", False)
    except botocore.exceptions.ClientError as error:
        check("nobody deletes it", error.response["Error"]["Code"] == "AccessDenied")

    # Payloads of more than one part. (moto knows no lock for those; a test beside the code looks at the request.)
    for number in range(90):
        server.act("look", args={"text": random.randbytes(110_000).hex(), "n": number})
    server.export("--format", "jsonl", "--to", "s3://vault/large", "--payloads", "--lock-days", "30", **storage.env)
    server.export("--format", "jsonl", "--to", folder / "large", "--payloads")
    there = storage.read("vault", "large/payloads.jsonl")
    check(f"a file of {len(there) >> 20} MiB arrives in parts", len(there) > 17 << 20)
    check("as it is", there == (folder / "large/payloads.jsonl").read_bytes())


def continuous(server, storage):
    follow = [BINARY, "audit", "export", "--follow", "--to", "s3://vault/parts", "--part-records", "9", "--lock-days", "10"]
    env = server.environment(**storage.env)
    for number in range(KILLS):
        process = subprocess.Popen([*follow, "--interval", "5ms"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
        end = time.monotonic() + random.random() * 0.5
        while time.monotonic() < end:
            server.act("look", args={"n": random.random()})
        process.kill()
        process.wait()
    run(*follow[1:], "--once", env=env)
    keys = storage.keys("vault", "parts/")
    parts = [key for key in keys if key.endswith(".jsonl")]
    together = b"".join(storage.read("vault", key) for key in parts).decode().splitlines()
    lines = server.records()
    check(f"after {KILLS} kills {len(parts)} parts are the ledger of {len(lines)} records, each once", together == lines)
    beside = [key.replace(".jsonl", ".checkpoint") for key in parts]
    check("each with its checkpoint, and a cursor", keys == sorted([*parts, *beside, "parts/cursor.json"]))
    for key in (parts[0], beside[-1]):
        mode, until = storage.lock("vault", key)
        days = (until - datetime.datetime.now(datetime.timezone.utc)).total_seconds() / 86400
        check(f"{key} is locked for ten days", mode == "COMPLIANCE" and 9.9 < days < 10.1)
    versions = storage.s3.list_object_versions(Bucket="vault", Prefix=parts[0])["Versions"]
    check("and was written once", len(versions) == 1)
    check("the cursor is not locked", storage.lock("vault", "parts/cursor.json")[0] is None)


with tempfile.TemporaryDirectory(prefix="countersign-exports-") as scratch:
    folder = pathlib.Path(scratch)
    server = Server(folder)
    storage = None
    try:
        tables(server, folder)
        events(server, folder)
        storage = Storage(folder)
        buckets(server, folder, storage)
        continuous(server, storage)
    finally:
        server.stop()
        if storage:
            storage.stop()
print(f"exports: {checked} checks hold")
