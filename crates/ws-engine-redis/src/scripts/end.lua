-- Ends the lease of a node that goes, or that has ended elsewhere as a living node knows, and tells the others. KEYS nodes, their
-- connections; ARGV lease, own node, its number, node, topic of all nodes, message. Answers 1, or 0 where it has no lease.
local node = ARGV[4]
if node ~= ARGV[2] and not leases_of(KEYS[1], ARGV[1], ARGV[2], ARGV[3], now_ms()) then return 'LAPSED' end
local ends = redis.call('HGET', KEYS[1], node)
if not ends or ends == '0' then return 0 end
redis.call('HSET', KEYS[1], node, 0)
redis.call('HDEL', KEYS[2], node)
redis.call('SPUBLISH', ARGV[5], ARGV[6])
return 1
