-- The generation of a partition: another one since the server's identity has changed, or where it is the one that is
-- known to be wrong. KEYS generation; ARGV a new g, the wrong g or '', the identity that the caller has just seen or ''.
-- Answers g, the identity, and for how long it has been so, in milliseconds.
local info = redis.call('INFO', 'replication')
local identity = string.match(info, 'master_replid:(%x+)')
local generation = redis.call('GET', KEYS[1])
if generation then
  local g, of = string.sub(generation, 1, 8), string.sub(generation, 9, 48)
  -- A primary that gets its first replica, or has been without one for long, takes another identity and forgets the one
  -- before; after a time as a replica, whose data may be another's, it would remember one.
  local is_same = of == identity
  if not is_same and of == ARGV[3] and string.find(info, 'role:master', 1, true)
    and string.find(info, 'master_replid2:' .. string.rep('0', 40), 1, true) then
    redis.call('SET', KEYS[1], g .. identity .. string.sub(generation, 49))
    is_same = true
  end
  if is_same and g ~= ARGV[2] then
    return g .. identity .. number(math.max(now_ms() - struct.unpack('>I8', generation, 49), 0))
  end
end
redis.call('SET', KEYS[1], ARGV[1] .. identity .. number(now_ms()))
return ARGV[1] .. identity .. number(0)
