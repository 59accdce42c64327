-- What wrk sends: actions of which 90 in 100 are allowed, 5 need approval, 5 are denied; each with arguments and an
-- Idempotency-Key of its own, from many agents (one agent may have 60 open approvals).
-- Environment: BENCH_KEYS = a file with one agent key a line, BENCH_RUN = a word that is new for every run.
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  keys = {}
  for key in io.lines(os.getenv("BENCH_KEYS")) do keys[#keys + 1] = key end
  run = os.getenv("BENCH_RUN")
  count = 0
end

local head = "POST /v1/actions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n"
  .. "Idempotency-Key: %s-%d-%d\r\nContent-Length: %d\r\n\r\n%s"
local body = '{"tool":"tool-%03d","action":"update","env":"production","amount":"%s","currency":"USD",'
  .. '"args":{"path":"%s","order":"%s-%d-%d","region":"eu-west-1","rows":[1,2,3]},"labels":{"team":"support"},'
  .. '"evidence":{"reason":"the customer was charged twice","sources":["ticket 4521"]},"confidence":0.92}'

function request()
  count = count + 1
  local slot, amount, path = count % 20, "120.50", "/srv/data/report"
  if slot == 7 then amount = "1500.00" elseif slot == 13 then path = "/etc/passwd" end
  local text = string.format(body, (count * 7) % 20, amount, path, run, number, count)
  local key = keys[(count * 13 + number) % #keys + 1]
  return string.format(head, key, run, number, count, #text, text)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    "RESULT %d %d %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write, errors.timeout))
end
