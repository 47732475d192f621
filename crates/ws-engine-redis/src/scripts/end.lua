-- Ends the lease of a node that goes, or that has ended elsewhere, and tells the others. KEYS nodes, their connections; ARGV node,
-- topic of all nodes, message. Answers 1, or 0 where it has no lease.
local ends = redis.call('HGET', KEYS[1], ARGV[1])
if not ends or ends == '0' then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], 0)
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('SPUBLISH', ARGV[2], ARGV[3])
return 1
