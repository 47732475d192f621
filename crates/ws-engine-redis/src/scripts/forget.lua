-- Forgets a node that has ended, and of which nothing is left. KEYS nodes, their connections; ARGV lease, own node, node.
local leases = leases_of(KEYS[1], ARGV[1], ARGV[2], now_ms())
if not leases then return 'LAPSED' end
if (leases[ARGV[3]] or 1) <= 0 then
  redis.call('HDEL', KEYS[1], ARGV[3])
  redis.call('HDEL', KEYS[2], ARGV[3])
end
return 1
