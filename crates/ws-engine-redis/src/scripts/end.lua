-- Ends the lease of a node that goes. KEYS nodes, their connections; ARGV node, topic of all nodes, message.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then redis.call('HSET', KEYS[1], ARGV[1], 0) end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('SPUBLISH', ARGV[2], ARGV[3])
return 1
