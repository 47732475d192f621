-- Has a node's members of a channel, between two connections, be the given ones: it enters, changes and removes. Of another
-- node only if that has ended.
-- KEYS nodes, presence of the channel; ARGV lease, own node, its number, node, base, channel, topic, whether it is announced
-- ('': as it was), 1 or 0: who is not there yet does not enter, and who is there stays as it is, first and last connection,
-- then the members. Answers 2 where there are more to remove, otherwise 1.
local SPARE, GIVEN = 200, 11
local now, own, node, base, channel = now_ms(), ARGV[2], ARGV[4], ARGV[5], ARGV[6]
local leases = leases_of(KEYS[1], ARGV[1], own, ARGV[3], now)
if not leases then return 'LAPSED' end
if node ~= own and is_alive(leases, node, now) then return 1 end
local present, users, announced, enters = KEYS[2], base .. 'w:' .. channel, ARGV[8], ARGV[9] == '1'
local members, own_users = base .. 'q:' .. node .. ':' .. channel, base .. 'v:' .. node .. ':' .. channel
if announced == '' then announced = redis.call('HGET', present, '*') or '0' end
-- While a slot moves, Redis refuses what is not here: all keys are looked at before the first is changed.
for _, key in ipairs({ present, users, members, own_users, base .. 'x:' .. node }) do redis.call('EXISTS', key) end

local function user_of(member)
  local length = struct.unpack('>I2', member, 17)
  return length > 0 and string.sub(member, 19, 17 + length)
end

local function came(member)
  local user = user_of(member)
  if user and redis.call('HINCRBY', own_users, user, 1) == 1 then redis.call('HINCRBY', users, user, 1) end
end

local function went(member)
  local user = user_of(member)
  if user and redis.call('HINCRBY', own_users, user, -1) <= 0 then
    redis.call('HDEL', own_users, user)
    if redis.call('HINCRBY', users, user, -1) <= 0 then redis.call('HDEL', users, user) end
  end
end

local given, stays, changes = {}, {}, {}
for i = GIVEN + 1, #ARGV do given[string.sub(ARGV[i], 1, 16)] = ARGV[i] end
local most = #ARGV - GIVEN + SPARE
local found = redis.call('ZRANGEBYLEX', members, '[' .. ARGV[10], '[' .. ARGV[11] .. '\255', 'LIMIT', 0, most)
for _, member in ipairs(found) do
  local connection = string.sub(member, 1, 16)
  if given[connection] ~= member and (enters or not given[connection]) then
    redis.call('ZREM', members, member)
    went(member)
    stays[connection] = given[connection] ~= nil
    if not stays[connection] then changes[#changes + 1] = 'L' .. struct.pack('>I4', #member) .. member end
  end
end
for i = GIVEN + 1, #ARGV do
  local member = ARGV[i]
  if enters and redis.call('ZADD', members, 0, member) == 1 then
    came(member)
    -- That a connection has another user now is told to nobody.
    if not stays[string.sub(member, 1, 16)] then
      changes[#changes + 1] = 'J' .. struct.pack('>I4', #member) .. member
    end
  end
end

local left = redis.call('ZCARD', members)
if left > 0 then
  redis.call('HSET', present, node, left)
  if announced == '1' then redis.call('HSET', present, '*', 1) else redis.call('HDEL', present, '*') end
  redis.call('SADD', base .. 'x:' .. node, channel)
else
  redis.call('HDEL', present, node)
  if redis.call('HLEN', present) == 1 and redis.call('HEXISTS', present, '*') == 1 then redis.call('DEL', present) end
  redis.call('SREM', base .. 'x:' .. node, channel)
end
if #changes > 0 and announced == '1' then
  redis.call('SPUBLISH', ARGV[7], 'C' .. count(leases, now, base, channel) .. table.concat(changes))
end
return #found == most and 2 or 1
