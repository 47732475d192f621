-- Tells nodes something. KEYS nodes; ARGV lease, own node, topic, message.
if not leases_of(KEYS[1], ARGV[1], ARGV[2], now_ms()) then return 'LAPSED' end
redis.call('SPUBLISH', ARGV[3], ARGV[4])
return 1
