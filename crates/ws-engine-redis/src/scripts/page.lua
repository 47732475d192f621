-- Reads a page of one channel.
-- KEYS generation meta stream; ARGV size, ttl, after, before, reverse (0 or 1), limit, bytes.
-- Answers the meta, the oldest retained offset, whether there is more, and the records.
local generation, raw = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
if not generation then return 'FENCED' end
if not raw then return 'NONE' end
local m = in_generation(read_meta(raw), string.sub(generation, 1, 8), struct.unpack('>I8', generation, 49))
local size, ttl, after, before = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local limit, bytes_max = tonumber(ARGV[6]), tonumber(ARGV[7])
local now = math.max(now_ms(), m.newest)
local oldest = oldest_retained(KEYS[3], m, size, ttl, now)
local from, to = math.max(oldest, after + 1), math.min(before, m.top + 1) - 1
local answer = { write_meta(m), number(oldest), 0 }
if from > to then return answer end
answer[3] = 1
if limit == 0 then return answer end

local CHUNK = 64
local bytes, taken, total = 0, 0, to - from + 1
while taken < total do
  local n = math.min(CHUNK, total - taken, limit - taken)
  local first = from + taken
  if ARGV[5] == '1' then first = to - taken - n + 1 end
  local chunk = redis.call('LRANGE', KEYS[3], first - m.top - 1, first + n - 2 - m.top)
  for i = 1, n do
    local record = chunk[i]
    if ARGV[5] == '1' then record = chunk[n + 1 - i] end
    answer[#answer + 1] = record
    taken, bytes = taken + 1, bytes + #record - 16
    if bytes >= bytes_max or taken == limit then
      answer[3] = taken < total and 1 or 0
      return answer
    end
  end
end
answer[3] = 0
return answer
