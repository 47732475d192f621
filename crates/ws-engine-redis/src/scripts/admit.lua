-- Counts a connection of a user more or less, unless there are too many.
-- KEYS nodes, nodes of the user, users of the node; ARGV lease, own node, its number, user, 1 or -1, most (0: any number).
-- Answers 1 where it was counted, otherwise 0.
local now, own, user, most = now_ms(), ARGV[2], ARGV[4], tonumber(ARGV[6])
local leases = leases_of(KEYS[1], ARGV[1], own, ARGV[3], now)
if not leases then return 'LAPSED' end
if ARGV[5] == '1' and most > 0 then
  local all, total = redis.call('HGETALL', KEYS[2]), 0
  for i = 1, #all, 2 do
    if is_alive(leases, all[i], now) then total = total + tonumber(all[i + 1]) end
  end
  if total >= most then return 0 end
end
if redis.call('HINCRBY', KEYS[2], own, ARGV[5]) > 0 then
  redis.call('SADD', KEYS[3], user)
else
  redis.call('HDEL', KEYS[2], own)
  redis.call('SREM', KEYS[3], user)
end
return 1
