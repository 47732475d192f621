-- Renews the lease of a node. While nobody could renew one, nobody has ended: all leases move on by that time; so they do
-- when the clock was changed.
-- KEYS nodes, their connections, the generation of their partition; ARGV lease, node, its connections, whether it begins, the
-- generation in which it had its lease last, its number, what all must have the same or ''.
-- Answers 'LAPSED' where the lease was over, or: each living node and the milliseconds left to it; those that have ended; 'LOST'
-- where Redis had lost the lease, which is taken again, or 'KEPT'; each living node that has not the same, and what it has.
-- Nothing is done for a connection that has been replaced.
local ENDED = 0
-- How long it is remembered that a node has ended of which nothing is left, in milliseconds.
local REMEMBERED = 60 * 60 * 1000
local now, lease, node = now_ms(), tonumber(ARGV[1]), ARGV[2]
local all, leases, last, replaced = redis.call('HGETALL', KEYS[1]), {}, now, false
for i = 1, #all, 2 do
  local name, value = all[i], tonumber(all[i + 1])
  if name == '*' then
    last = value
  elseif string.sub(name, 1, 1) ~= '#' then
    leases[name] = value
  elseif name == '#' .. node then
    replaced = value > tonumber(ARGV[6])
  end
end
if replaced then return 'REPLACED' end
local silence = now - last
if math.abs(silence) <= lease / 2 then silence = 0 end
redis.call('HSET', KEYS[1], '*', string.format('%.0f', now))
for other, ends in pairs(leases) do
  if ends > 0 then
    local moved = ends + silence
    if moved <= now then moved = ENDED end
    if moved ~= ends then redis.call('HSET', KEYS[1], other, string.format('%.0f', moved)) end
    leases[other] = moved
  end
end
if redis.call('HEXISTS', KEYS[2], '!' .. node) == 1 then return 'LAPSED' end
local is_missing = not leases[node] and ARGV[4] == '0'
-- In the same generation Redis has lost nothing: it has ended, and was forgotten.
local is_forgotten = is_missing and string.sub(redis.call('GET', KEYS[3]) or '', 1, 8) == ARGV[5]
if is_forgotten then redis.call('HSET', KEYS[1], node, ENDED) end
if is_forgotten or leases[node] == ENDED then return 'LAPSED' end
leases[node] = now + lease
redis.call('HSET', KEYS[1], node, string.format('%.0f', leases[node]), '#' .. node, ARGV[6])
redis.call('HSET', KEYS[2], node, ARGV[3])
if ARGV[7] ~= '' then redis.call('HSET', KEYS[2], '=' .. node, ARGV[7]) end
local counted, agreement = redis.call('HGETALL', KEYS[2]), {}
for i = 1, #counted, 2 do
  local kind, name = string.sub(counted[i], 1, 1), string.sub(counted[i], 2)
  if kind == '!' and now - tonumber(counted[i + 1]) > REMEMBERED then redis.call('HDEL', KEYS[2], counted[i]) end
  if kind == '=' then
    if leases[name] then agreement[name] = counted[i + 1] else redis.call('HDEL', KEYS[2], counted[i]) end
  end
end
local living, ended, otherwise = {}, {}, {}
for other, ends in pairs(leases) do
  if ends <= 0 then
    ended[#ended + 1] = other
  else
    living[#living + 1], living[#living + 2] = other, ends - now
    local theirs = ARGV[7] ~= '' and agreement[other]
    if theirs and theirs ~= ARGV[7] then otherwise[#otherwise + 1], otherwise[#otherwise + 2] = other, theirs end
  end
end
return { living, ended, is_missing and 'LOST' or 'KEPT', otherwise }
