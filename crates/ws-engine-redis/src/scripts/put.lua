-- Has a node's members of a channel, between two connections, be the given ones: it enters, changes and removes. Of another
-- node only if that has ended.
-- KEYS nodes, presence of the channel; ARGV lease, own node, its number, node, base, channel, topic, whether it is announced
-- ('': as it was), 1 or 0: who is not there yet does not enter, and who is there stays as it is, first and last connection,
-- then the members. Answers 2 where there are more to remove, otherwise 1.
-- In a slot that moves, a key that is not there cannot be used. So every key is read before the first write, and none is used
-- any more once it may have been emptied.
local SPARE, GIVEN = 200, 11
local now, own, node, base, channel = now_ms(), ARGV[2], ARGV[4], ARGV[5], ARGV[6]
local leases = leases_of(KEYS[1], ARGV[1], own, ARGV[3], now)
if not leases then return 'LAPSED' end
if node ~= own and is_alive(leases, node, now) then return 1 end
local present, users, announced, enters = KEYS[2], base .. 'w:' .. channel, ARGV[8], ARGV[9] == '1'
local members, own_users = base .. 'q:' .. node .. ':' .. channel, base .. 'v:' .. node .. ':' .. channel
local channels, was_announced = base .. 'x:' .. node, redis.call('HGET', present, '*')
if announced == '' then announced = was_announced or '0' end

local by_user = {}
local function counted(member, by)
  local length = struct.unpack('>I2', member, 17)
  if length == 0 then return end
  local user = string.sub(member, 19, 17 + length)
  by_user[user] = (by_user[user] or 0) + by
end

local given, stays, enter, leave, changes = {}, {}, {}, {}, {}
for i = GIVEN + 1, #ARGV do given[string.sub(ARGV[i], 1, 16)] = ARGV[i] end
local most = #ARGV - GIVEN + SPARE
local left = redis.call('ZCARD', members)
local found = redis.call('ZRANGEBYLEX', members, '[' .. ARGV[10], '[' .. ARGV[11] .. '\255', 'LIMIT', 0, most)
for _, member in ipairs(found) do
  local connection = string.sub(member, 1, 16)
  if given[connection] ~= member and (enters or not given[connection]) then
    leave[#leave + 1] = member
    counted(member, -1)
    stays[connection] = given[connection] ~= nil
    if not stays[connection] then changes[#changes + 1] = 'L' .. struct.pack('>I4', #member) .. member end
  end
end
for i = GIVEN + 1, #ARGV do
  local member, connection = ARGV[i], string.sub(ARGV[i], 1, 16)
  if enters and given[connection] == member and not redis.call('ZSCORE', members, member) then
    given[connection] = nil
    enter[#enter + 1] = member
    counted(member, 1)
    -- That a connection has another user now is told to nobody.
    if not stays[connection] then changes[#changes + 1] = 'J' .. struct.pack('>I4', #member) .. member end
  end
end
left = left + #enter - #leave

-- How numbers in a hash are to change. `by`: which fields come (1) and go (-1).
local function planned(key, changed)
  local plan = { key = key, set = {}, unset = {}, by = {} }
  for field, by in pairs(changed) do
    if by ~= 0 then
      plan.length = plan.length or redis.call('HLEN', key)
      local was = tonumber(redis.call('HGET', key, field) or 0)
      local is = was + by
      if is > 0 then plan.set[field] = is else plan.unset[#plan.unset + 1] = field end
      if was <= 0 and is > 0 then plan.by[field] = 1 elseif was > 0 and is <= 0 then plan.by[field] = -1 end
      plan.length = plan.length + (plan.by[field] or 0)
    end
  end
  return plan
end

local function carried_out(plan)
  for field, is in pairs(plan.set) do redis.call('HSET', plan.key, field, is) end
  for _, field in ipairs(plan.unset) do redis.call('HDEL', plan.key, field) end
  emptied[plan.key] = plan.length and plan.length <= 0
end

local own_plan = planned(own_users, by_user)
local users_plan = planned(users, own_plan.by)
local others = redis.call('HLEN', present) - redis.call('HEXISTS', present, node) - (was_announced and 1 or 0)
redis.call('SCARD', channels)
local is_told = #changes > 0 and announced == '1'
if is_told then count(leases, now, base, channel) end

for _, member in ipairs(enter) do redis.call('ZADD', members, 0, member) end
for _, member in ipairs(leave) do redis.call('ZREM', members, member) end
carried_out(own_plan)
carried_out(users_plan)
if left > 0 then
  redis.call('HSET', present, node, left)
  if announced == '1' then redis.call('HSET', present, '*', 1) else redis.call('HDEL', present, '*') end
  redis.call('SADD', channels, channel)
else
  if others > 0 then redis.call('HDEL', present, node) else redis.call('DEL', present) end
  emptied[present] = others <= 0
  redis.call('SREM', channels, channel)
end
if is_told then
  redis.call('SPUBLISH', ARGV[7], 'C' .. count(leases, now, base, channel) .. table.concat(changes))
end
return #found == most and 2 or 1
