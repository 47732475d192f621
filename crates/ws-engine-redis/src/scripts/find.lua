-- Finds the retained publication that has an id.
-- KEYS generation meta stream ids; ARGV size, ttl, id. Answers the meta, the offset and the record, or that there is none.
local generation, raw = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
if not generation then return 'FENCED' end
local at = tonumber(redis.call('ZSCORE', KEYS[4], ARGV[3]) or 0)
if not raw or at == 0 then return 'NONE' end
local m = in_generation(read_meta(raw), string.sub(generation, 1, 8), struct.unpack('>I8', generation, 49))
local now = math.max(now_ms(), m.newest)
if at > m.top or at < oldest_retained(KEYS[3], m, tonumber(ARGV[1]), tonumber(ARGV[2]), now) then return 'NONE' end
return { write_meta(m), number(at), redis.call('LINDEX', KEYS[3], at - m.top - 1) }
