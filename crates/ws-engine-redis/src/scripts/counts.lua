-- How many are in each of some channels. KEYS nodes; ARGV lease, own node, base, channels. Answers the counts of each, also
-- where nobody is: all may have gone unheard.
local now, answer = now_ms(), {}
local leases = leases_of(KEYS[1], ARGV[1], ARGV[2], now)
if not leases then return 'LAPSED' end
for i = 4, #ARGV do answer[i - 3] = (count(leases, now, ARGV[3], ARGV[i])) end
return answer
