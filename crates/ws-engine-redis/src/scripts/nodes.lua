-- The living nodes. KEYS nodes, their connections; ARGV lease, own node, its number. Answers each and its connections.
local now = now_ms()
local leases = leases_of(KEYS[1], ARGV[1], ARGV[2], ARGV[3], now)
if not leases then return 'LAPSED' end
local answer = {}
for node in pairs(leases) do
  if is_alive(leases, node, now) then
    answer[#answer + 1], answer[#answer + 2] = node, redis.call('HGET', KEYS[2], node) or '0'
  end
end
return answer
