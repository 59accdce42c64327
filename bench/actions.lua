-- 90 : 5 : 5 allow : approval : deny over 20 tools; other arguments and a fresh idempotency key each time.
local n, thread_id = 0, 0
local next_thread = 0
function setup(thread) thread:set("thread_id", next_thread); next_thread = next_thread + 1 end
request = function()
  n = n + 1
  local amount = "50"
  if n % 100 >= 95 then amount = "5000" elseif n % 100 >= 90 then amount = "500" end
  local body = string.format(
    '{"tool":"tool-%d","action":"run","amount":"%s","currency":"USD","args":{"order":"%d-%d","region":"us","note":"customer asked for a refund of the broken item, second request"},"env":"production","labels":{"team":"support","channel":"mail"}}',
    n % 20, amount, thread_id, n)
  local headers = { ["Authorization"] = "Bearer " .. KEYS[n % #KEYS + 1], ["Content-Type"] = "application/json",
    ["Idempotency-Key"] = string.format("%s-%d-%d", RUN, thread_id, n) }
  return wrk.format("POST", "/v1/actions", headers, body)
end
