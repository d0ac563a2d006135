-- Posts the lines of the file that is the first argument in turn; without one, wrk's own request is sent. At the end, what the
-- run came to is one line of JSON after everything else that wrk prints.
local requests = {}
local position = 0

function init(arguments)
  if arguments[1] == nil then return end
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  for body in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format(nil, nil, nil, body)
  end
  function request()
    position = position % #requests + 1
    return requests[position]
  end
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout
  local line = '{"requests":%d,"micros":%d,"refused":%d,"failed":%d,"p50":%d,"p99":%d}'
  print(line:format(summary.requests, summary.duration, errors.status, failed,
    latency:percentile(50), latency:percentile(99)))
end
