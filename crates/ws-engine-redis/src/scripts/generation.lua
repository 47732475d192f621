-- The generation of a partition: another one since the server's identity has changed, or where it is the one that is
-- known to be wrong. KEYS generation; ARGV a new g, the wrong g or ''. Answers g.
local info = redis.call('INFO', 'replication')
local identity = string.match(info, 'master_replid:(%x+)')
local generation = redis.call('GET', KEYS[1])
if generation then
  local g = string.sub(generation, 1, 8)
  if string.sub(generation, 9, 48) == identity and g ~= ARGV[2] then return g end
end
redis.call('SET', KEYS[1], ARGV[1] .. identity .. number(now_ms()))
return ARGV[1]
