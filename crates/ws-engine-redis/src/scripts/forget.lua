-- Forgets what there was of a node that has ended, and of which nothing is left; that it has ended is remembered for a while.
-- KEYS nodes, their connections; ARGV lease, own node, its number, node.
local now = now_ms()
local leases = leases_of(KEYS[1], ARGV[1], ARGV[2], ARGV[3], now)
if not leases then return 'LAPSED' end
if leases[ARGV[4]] == 0 then
  redis.call('HSET', KEYS[2], '!' .. ARGV[4], string.format('%.0f', now))
  redis.call('HDEL', KEYS[2], ARGV[4], '=' .. ARGV[4])
  redis.call('HDEL', KEYS[1], ARGV[4], '#' .. ARGV[4])
end
return 1
