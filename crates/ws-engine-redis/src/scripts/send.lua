-- Tells nodes something. KEYS nodes; ARGV lease, own node, its number, topic, message.
if not leases_of(KEYS[1], ARGV[1], ARGV[2], ARGV[3], now_ms()) then return 'LAPSED' end
redis.call('SPUBLISH', ARGV[4], ARGV[5])
return 1
