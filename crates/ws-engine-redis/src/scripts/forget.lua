-- Forgets a node that has ended, and of which nothing is left.
-- KEYS nodes, their connections; ARGV lease, own node, its number, node.
local leases = leases_of(KEYS[1], ARGV[1], ARGV[2], ARGV[3], now_ms())
if not leases then return 'LAPSED' end
if (leases[ARGV[4]] or 1) <= 0 then
  redis.call('HDEL', KEYS[1], ARGV[4], '#' .. ARGV[4])
  redis.call('HDEL', KEYS[2], ARGV[4])
end
return 1
