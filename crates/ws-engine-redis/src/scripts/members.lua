-- A page of the members of a channel, by node and connection.
-- KEYS nodes; ARGV lease, own node, its number, base, channel, node and connection of the last one before, limit.
-- Answers the counts, whether there are more, and each with its node.
local now, base, channel, limit = now_ms(), ARGV[4], ARGV[5], tonumber(ARGV[8])
local leases = leases_of(KEYS[1], ARGV[1], ARGV[2], ARGV[3], now)
if not leases then return 'LAPSED' end
local counts, nodes = count(leases, now, base, channel)
local answer, left = { counts, 0 }, limit
if limit == 0 then return answer end
table.sort(nodes)
for _, node in ipairs(nodes) do
  if node >= ARGV[6] then
    local after = node == ARGV[6] and '(' .. ARGV[7] .. '\255' or '-'
    local page = redis.call('ZRANGEBYLEX', base .. 'q:' .. node .. ':' .. channel, after, '+', 'LIMIT', 0, left + 1)
    for _, member in ipairs(page) do
      if left == 0 then
        answer[2] = 1
        return answer
      end
      answer[#answer + 1], answer[#answer + 2], left = node, member, left - 1
    end
  end
end
return answer
