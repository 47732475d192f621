-- What the scripts about nodes share. The hash `nodes` has of each node when its lease ends (0: it has ended for good), under '*'
-- when anybody last renewed one, and under '#NODE' the number of the node's connections, which is higher for later ones. The
-- hash `connections` has of each node how many clients are connected to it, under '=NODE' what all must have the same, and under
-- '!NODE' when the last was removed that was left of one that has ended. Times are in milliseconds. `base` begins all keys of a partition:
-- p:CHANNEL  hash: node → its connections there; '*' → 1 where the presence is announced
-- q:NODE:CHANNEL  sorted set: members, as connection (16 bytes), length of the user + 1 (2 bytes, 0: anonymous), user, client
-- v:NODE:CHANNEL  hash: user → connections on that node
-- w:CHANNEL  hash: user → nodes
-- x:NODE, y:NODE  sets: the channels where a node has members, and its users
-- u:USER  hash: node → connections
-- Those of other nodes cannot be declared, as the script finds out about them; they are in the same slot.
local USERS_EXACT_MAX = 2000

-- When the leases end, unless the own one has ended, this comes from a connection that has been replaced, or for so long
-- nobody has renewed one that the others may have been unable to.
local function leases_of(nodes, lease, own, number, now)
  local leases, all = {}, redis.call('HGETALL', nodes)
  for i = 1, #all, 2 do leases[all[i]] = tonumber(all[i + 1]) end
  local last = leases['*']
  leases['*'] = nil
  if not last or math.abs(now - last) > tonumber(lease) / 2 or (leases[own] or 0) <= now then return nil end
  if (leases['#' .. own] or 0) > tonumber(number) then return nil end
  return leases
end

local function is_alive(leases, node, now) return (leases[node] or 0) > now end

-- Keys that this script has emptied. In a slot that moves they could not be read.
local emptied = {}

local function fields(key) return emptied[key] and 0 or redis.call('HLEN', key) end

-- How many are in a channel, and the nodes that they are on. Users of nodes that have ended, and of no other, are found one by
-- one: where there are too many of them, they count until they are swept.
local function count(leases, now, base, channel)
  local key, connections, living, ended, theirs = base .. 'p:' .. channel, 0, {}, {}, 0
  local present = emptied[key] and {} or redis.call('HGETALL', key)
  for i = 1, #present, 2 do
    local node = present[i]
    if node ~= '*' and is_alive(leases, node, now) then
      connections = connections + tonumber(present[i + 1])
      living[#living + 1] = node
    elseif node ~= '*' then
      local key = base .. 'v:' .. node .. ':' .. channel
      local n = fields(key)
      theirs = theirs + n
      if n > 0 then ended[#ended + 1] = key end
    end
  end
  local users, on = fields(base .. 'w:' .. channel), {}
  if users > 0 and theirs <= USERS_EXACT_MAX then
    for _, key in ipairs(ended) do
      for _, user in ipairs(redis.call('HKEYS', key)) do on[user] = (on[user] or 0) + 1 end
    end
    for user, n in pairs(on) do
      if tonumber(redis.call('HGET', base .. 'w:' .. channel, user) or 0) <= n then users = users - 1 end
    end
  end
  return number(connections) .. number(users), living
end
