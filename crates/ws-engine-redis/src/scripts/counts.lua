-- How many are in each of some channels. KEYS nodes; ARGV lease, own node, its number, base, channels. Answers the counts of
-- each, also where nobody is: all may have gone unheard.
local now, answer = now_ms(), {}
local leases = leases_of(KEYS[1], ARGV[1], ARGV[2], ARGV[3], now)
if not leases then return 'LAPSED' end
for i = 5, #ARGV do answer[i - 4] = (count(leases, now, ARGV[4], ARGV[i])) end
return answer
