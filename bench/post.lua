-- Impressions with ids of their own; counts the answers that were 202.
local counter = 0
accepted = 0 -- global, so that done() can read it
local prefix = tostring(os.time()) .. "-" .. tostring(math.random(1e9))
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

function request()
  counter = counter + 1
  local body = string.format(
    '{"id":"%s-%d","campaña_id":"cmp-%d","influencer_id":"inf-%d","usuario_id":"usr-%d","tipo_evento":"IMPRESION",' ..
    '"user_agent":"Mozilla/5.0 (X11; Linux x86_64)","ip_address":"127.0.0.1","referrer":"https://instagram.com"}',
    prefix, counter, counter % 1000, counter % 5000, counter)
  return wrk.format(nil, nil, nil, body)
end

local threads = {}
function setup(thread) table.insert(threads, thread) end
function response(status) if status == 202 then accepted = accepted + 1 end end
function done(summary, latency, requests)
  local total = 0
  for _, thread in ipairs(threads) do total = total + thread:get("accepted") end
  print(string.format("accepted %d", total))
end
