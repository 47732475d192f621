-- Positions of channels; those that are missing begin. ARGV ttl of positions, then for each: e of a new epoch, and where the
-- server knows one in which nothing was published, the e and the generation of that ('': it does not begin); size, ttl.
-- KEYS generation, then for each: meta, stream. Answers for each the meta and the oldest retained offset in one string, or
-- false where there is none.
local UNUSED_TTL = 600000
local generation = redis.call('GET', KEYS[1])
if not generation then return 'FENCED' end
local g, since = string.sub(generation, 1, 8), struct.unpack('>I8', generation, 49)
local position_ttl, clock, answer = tonumber(ARGV[1]), now_ms(), {}
for i = 1, (#KEYS - 1) / 2 do
  local key, stream = KEYS[2 * i], KEYS[2 * i + 1]
  local raw, begins, m = redis.call('GET', key), ARGV[3 * i - 1]
  if raw then
    m = read_meta(raw)
    -- It is stored, as who follows the channel is in this generation from now on.
    local is_older = m.g ~= g
    in_generation(m, g, since)
    if m.used ~= 0 and m.meta_until ~= 0 and m.meta_until < clock + position_ttl * 0.75 then
      m.meta_until = clock + position_ttl
      redis.call('SET', key, write_meta(m), 'PXAT', m.meta_until)
    elseif is_older then
      redis.call('SET', key, write_meta(m), 'KEEPTTL')
    end
    if m.used == 0 then redis.call('PEXPIRE', key, UNUSED_TTL) end
  elseif begins ~= '' then
    -- What is left of the publications is of an epoch that has been forgotten.
    local is_forgotten = redis.call('DEL', stream) == 1
    local goes_on = not is_forgotten and string.sub(begins, 17) == g
    local e = goes_on and string.sub(begins, 9, 16) or string.sub(begins, 1, 8)
    m = { e = e, g = g, h = g, top = 0, base = 0, newest = 0, ttl = 0, begun = clock, shown = 0,
      meta_until = 0, stream_until = 0, ids_until = 0, used = 0 }
    redis.call('SET', key, write_meta(m), 'PX', UNUSED_TTL)
  end
  answer[i] = false
  if m then
    local now = math.max(clock, m.newest)
    local oldest = oldest_retained(stream, m, tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1]), now)
    answer[i] = write_meta(m) .. number(oldest)
  end
end
return answer
