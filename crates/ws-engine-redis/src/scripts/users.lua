-- Sets how many connections users have on a node; of another node only if that has ended.
-- KEYS nodes, users of the node, then the nodes of each user; ARGV lease, own node, its number, node, then each user and its
-- connections.
local now, node = now_ms(), ARGV[4]
local leases = leases_of(KEYS[1], ARGV[1], ARGV[2], ARGV[3], now)
if not leases then return 'LAPSED' end
if node ~= ARGV[2] and is_alive(leases, node, now) then return 1 end
for i = 3, #KEYS do
  local user, connections = ARGV[2 * i - 1], ARGV[2 * i]
  if connections == '0' then
    redis.call('HDEL', KEYS[i], node)
    redis.call('SREM', KEYS[2], user)
  else
    redis.call('HSET', KEYS[i], node, connections)
    redis.call('SADD', KEYS[2], user)
  end
end
return 1
