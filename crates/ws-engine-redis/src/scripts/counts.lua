-- How many are in each of some channels. KEYS nodes; ARGV lease, own node, base, channels. Answers the counts of each, or ''
-- where its presence is not announced.
local now, answer = now_ms(), {}
local leases = leases_of(KEYS[1], ARGV[1], ARGV[2], now)
if not leases then return 'LAPSED' end
for i = 4, #ARGV do
  local is_announced = redis.call('HEXISTS', ARGV[3] .. 'p:' .. ARGV[i], '*') == 1
  answer[i - 3] = is_announced and (count(leases, now, ARGV[3], ARGV[i])) or ''
end
return answer
