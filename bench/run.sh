#!/usr/bin/env bash
# Measures Countersign beside ceilings and peers, in one go on one machine, and writes bench/results.md.
# Usage: bench/run.sh [quick]
set -euo pipefail
cd "$(dirname "$0")"
seconds=15; records=1000000
if [ "${1:-}" = quick ]; then seconds=4; records=100000; fi
command -v wrk > /dev/null || { echo "── installing wrk from Debian's packages"; apt-get update -qq && apt-get install -y -qq wrk > /dev/null; }
target=${BENCH_TARGET_DIR:-target}
echo "── building (cedar-policy and regorus take a few minutes the first time)"
CARGO_TARGET_DIR=$target cargo build --quiet --release --locked
(cd .. && cargo build --quiet --release --locked --package countersign-cli)
binary=$(cd .. && cargo metadata --format-version 1 --no-deps --locked | python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])')/release/countersign
work=$(mktemp -d)
pids=()
finish() { for pid in "${pids[@]:-}"; do kill "$pid" 2> /dev/null || true; done; rm -rf "$work"; }
trap finish EXIT
out=$work/results.md
field() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

mkdir -p "$work/policies"
python3 - "$work/policies" <<'PY'
import sys
for n in range(20):
    with open(f"{sys.argv[1]}/gate-{n}.yaml", "w") as f:
        f.write(f"""name: gate-{n}
on: [{{ tool: tool-{n} }}]
rules:
  - {{ condition: "has(amount) && amount <= 100", decision: allow }}
  - {{ condition: "has(amount) && amount > 100 && amount <= 1000", decision: require_approval }}
  - {{ condition: "has(amount) && amount > 1000", decision: deny }}
  - {{ condition: "has(args.region) && args.region == 'eu'", decision: allow }}
  - {{ condition: "has(confidence) && confidence < 0.2", decision: deny }}
""")
PY
"$binary" init --data "$work/data" --policies "$work/policies" --json > "$work/init.json"

echo "── start to first decision"
"$binary" agents add bot-0 --owner team:bench --data "$work/data" --json > "$work/agent.json"
first=$(python3 - "$binary" "$work" "$(field key < "$work/agent.json")" <<'PY'
import json, subprocess, sys, time, urllib.request, urllib.error, os, signal
binary, work, key = sys.argv[1:4]
took = []
for n in range(5):
    local = f"{work}/data/local.json"
    if os.path.exists(local): os.remove(local)
    started = time.monotonic()
    server = subprocess.Popen([binary, "serve", "--data", f"{work}/data", "--listen", "127.0.0.1:0"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while True:
        try:
            address = json.load(open(local))["address"]
            request = urllib.request.Request(f"{address}/v1/actions", method="POST",
                data=json.dumps({"tool": "tool-1", "amount": "5", "args": {"n": n}}).encode(),
                headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
            assert json.load(urllib.request.urlopen(request))["decision"] == "allow"
            break
        except (OSError, ValueError):
            time.sleep(0.002)
    took.append(time.monotonic() - started)
    server.send_signal(signal.SIGTERM); server.wait()
print(f"{sorted(took)[2] * 1000:.0f}")
PY
)

echo "── serving"
"$binary" serve --data "$work/data" --listen 127.0.0.1:0 > "$work/serve.log" 2>&1 & server=$!; pids+=("$server")
until [ -s "$work/data/local.json" ]; do sleep 0.05; done
url=$(field address < "$work/data/local.json")
keys="'$(field key < "$work/agent.json")'"
for n in $(seq 1 7); do keys="$keys, '$("$binary" agents add "bot-$n" --owner team:bench --data "$work/data" --json | field key)'"; done
idle=$(awk '/VmRSS/ {printf "%.0f", $2 / 1024}' "/proc/$server/status")
"$target/release/echo" > "$work/echo.txt" & pids+=("$!")
until [ -s "$work/echo.txt" ]; do sleep 0.05; done
echo_url="http://$(cat "$work/echo.txt")"

load() { # connections, url → "requests/s p50 p99"
  { echo "KEYS = { $keys }"; echo "RUN = 'run-$1-$RANDOM$RANDOM'"; cat actions.lua; } > "$work/load.lua"
  wrk -t1 -c"$1" -d"${seconds}s" --latency -s "$work/load.lua" "$2" > "$work/wrk.txt"
  if grep -q 'Non-2xx' "$work/wrk.txt"; then echo "some answers were not 2xx: $(grep Non-2xx "$work/wrk.txt")" >&2; fi
  awk '/50%/ {p50=$2} /99%/ {p99=$2} /Requests\/sec/ {rate=$2} END {print rate, p50, p99}' "$work/wrk.txt"
}
{
  echo "# Measured"
  echo
  echo "$(date -u +%Y-%m-%d), commit $(git rev-parse --short HEAD), $(nproc) cores ($(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo)), load generator on the same cores. \`bench/run.sh\` writes this file."
  echo
  echo "## Decisions over HTTP"
  echo
  echo "\`POST /v1/actions\` on SQLite with \`synchronous=FULL\`: authentication, 100 rules over 20 tools of which five match, allow : approval : deny = 90 : 5 : 5, other arguments and a fresh idempotency key each, a durable record and a signed permit. The ceiling is an axum handler that reads the same body as JSON and answers with it."
  echo
  echo "| connections | ceiling, requests/s | Countersign, requests/s | ratio | p50 | p99 |"
  echo "| ---: | ---: | ---: | ---: | ---: | ---: |"
} > "$out"
for connections in 1 64 256; do
  echo "── $connections connections"
  read -r ceiling _ _ < <(load "$connections" "$echo_url")
  read -r rate p50 p99 < <(load "$connections" "$url")
  ratio=$(python3 -c "print(f'{100 * $rate / $ceiling:.0f} %')")
  echo "| $connections | $ceiling | $rate | $ratio | $p50 | $p99 |" | tee -a "$out"
done
loaded=$(awk '/VmRSS/ {printf "%.0f", $2 / 1024}' "/proc/$server/status")
kill "$server"; wait "$server" || true
{
  echo
  echo "What limits it: at one connection the commit (an fsync each); at 64 and more the processor: about a fifth of it goes into the Ed25519 signature of each permit, a sixth into SQLite, a fifth into HTTP and the kernel's sockets, and the load generator takes its share of the same cores."
  echo
  echo "## Policy evaluation alone"
  echo
  echo "The same rules, the request made from its parts each time, median of 30 rounds."
  echo
} >> "$out"
echo "── policy evaluation"
"$target/release/policy" | tee -a "$out"
echo "── verification of $records records"
verified=$("$target/release/verify" "$records")
{
  echo
  echo "## The rest"
  echo
  echo "| what | measured |"
  echo "| --- | ---: |"
  echo "| start to first decision (median of 5, the process and its data folder cold) | $first ms |"
  echo "| memory when idle | $idle MiB |"
  echo "| memory after the load above | $loaded MiB |"
  echo "| verification by the Rust verifier | $verified |"
} | tee -a "$out"
cp "$out" results.md
echo "── written to bench/results.md"
