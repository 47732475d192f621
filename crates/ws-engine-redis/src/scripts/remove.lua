-- Removes all publications of a channel and begins a new epoch.
-- KEYS generation meta stream ids; ARGV g, e of the new epoch, ttl of positions, topic, node. Answers g and e.
local generation = redis.call('GET', KEYS[1])
local g, position_ttl = ARGV[1], tonumber(ARGV[3])
if not generation or string.sub(generation, 1, 8) ~= g then return 'FENCED' end
local now = now_ms()
local m = { e = ARGV[2], g = g, h = g, top = 0, base = 0, newest = 0, ttl = 0, begun = now, shown = 0,
  meta_until = now + position_ttl, stream_until = 0, ids_until = 0, used = 1 }
redis.call('DEL', KEYS[3], KEYS[4])
redis.call('SET', KEYS[2], write_meta(m), 'PXAT', m.meta_until)
redis.call('SPUBLISH', ARGV[4], 'R' .. m.e .. g .. ARGV[5])
return { g, m.e }
