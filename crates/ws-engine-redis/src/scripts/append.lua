-- Appends publications to one channel.
-- KEYS generation meta stream ids; ARGV g, e of a new epoch, size, ttl, ttl of positions, topic, node,
-- then for each publication: record, '+' and its id or '', when it was first sent (0: now), a tag for the node.
-- Answers g, e and for each: offset > 0; -offset: it was there; 0: other data under the id; 'U': nobody can tell.
local AHEAD_MAX = 2 * 60 * 60 * 1000
local CLOCK_BACK_MAX = 60000
-- Records that are read at once: at first, and at most.
local FIRST, AT_ONCE = 8, 500

local generation = redis.call('GET', KEYS[1])
local g, size, ttl, position_ttl = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
if not generation or string.sub(generation, 1, 8) ~= g then return 'FENCED' end
local stream, ids = KEYS[3], KEYS[4]
local clock = now_ms()

local raw = redis.call('GET', KEYS[2])
local m = raw and read_meta(raw)
-- Where nothing was published in this epoch, what is left is of one that has been forgotten.
if m and m.used == 0 then redis.call('DEL', stream, ids) end
if not m or m.newest > clock + CLOCK_BACK_MAX then
  m = { e = ARGV[2], g = g, h = g, top = 0, base = 0, newest = 0, ttl = ttl, begun = clock, shown = 0, meta_until = 0,
    stream_until = 0, ids_until = 0, used = 0 }
  -- The epoch first: where the slot moves, what follows the removal is refused.
  if raw then redis.call('SET', KEYS[2], write_meta(m), 'PX', position_ttl) end
  redis.call('DEL', stream, ids)
end
in_generation(m, g, struct.unpack('>I8', generation, 49))
local now = math.max(clock, m.newest)

if m.ttl ~= ttl then
  -- What has expired stays expired.
  local length = redis.call('LLEN', stream)
  local alive = first_alive(stream, length, m.ttl, now)
  if alive == length then
    redis.call('DEL', stream, ids)
    m.stream_until, m.ids_until = 0, 0
  elseif alive > 0 then
    redis.call('LTRIM', stream, alive, -1)
  end
  m.ttl = ttl
end

local stored, fresh = m.top, {}

local function record_at(offset)
  if offset > stored then return fresh[offset - stored] end
  return redis.call('LINDEX', stream, offset - stored - 1)
end

local function is_retained(offset, record)
  if not record or offset <= m.top - size then return false end
  if ttl < 0 then return #fresh > 0 or m.newest - ttl > now end
  return ttl == 0 or struct.unpack('>I8', record) + ttl > now
end

local function data_of(record)
  local start, length = struct.unpack('>I4I4', record, 9)
  return string.sub(record, 17 + start, 16 + start + length)
end

-- Where the time that a record shows begins and ends, and the time; nil: it shows none.
local function shown_in(record)
  local start, length = struct.unpack('>I4I4', record, 9)
  local from, to, digits = string.find(record, '^,"time":(%d+)[^%d]', 17 + start + length)
  if not from then return nil end
  return to - #digits, to - 1, tonumber(digits)
end

local function showing(record, from, to, time)
  return string.sub(record, 1, from - 1) .. string.format('%.0f', time) .. string.sub(record, to + 1)
end

local function limited(record, latest)
  local from, to, time = shown_in(record)
  if from and time > latest then return showing(record, from, to, latest), true end
  return record, not from
end

-- The clock that gave earlier times was far ahead: they are lowered. As much work as was dated so, and the memory of one block:
-- the newest come to the front of the list, lowered, and then back to its end. The list is never empty: one that has been cannot
-- be filled again while its slot moves to another server.
local function lower(latest)
  for i, record in ipairs(fresh) do fresh[i] = limited(record, latest) end
  local length, n, block = redis.call('LLEN', stream), 0, FIRST
  while n < length do
    local records, lowered = redis.call('LRANGE', stream, -math.min(block, length - n), -1), {}
    for i = #records, 1, -1 do
      local record, goes_on = limited(records[i], latest)
      if not goes_on then break end
      lowered[#lowered + 1] = record
    end
    if #lowered > 0 then
      redis.call('LPUSH', stream, unpack(lowered))
      redis.call('LTRIM', stream, 0, -#lowered - 1)
    end
    n = n + #lowered
    if #lowered < #records then break end
    block = math.min(2 * block, AT_ONCE)
  end
  -- Where that is all of them they are in order.
  while n > 0 and n < length do
    local lowered = redis.call('LRANGE', stream, 0, math.min(AT_ONCE, n) - 1)
    redis.call('RPUSH', stream, unpack(lowered))
    redis.call('LTRIM', stream, #lowered, -1)
    n = n - #lowered
  end
end

local function show(record)
  local from, to, time = shown_in(record)
  if not from then return record end
  if time >= m.shown then
    m.shown = time
  elseif m.shown - time > AHEAD_MAX then
    m.shown = time
    lower(time)
  else
    record = showing(record, from, to, m.shown)
  end
  return record
end

-- Whether what was first sent then may have been published and given up.
local function may_have_lost(sent)
  -- Later than now it was only on a clock that has been set back since.
  sent = math.min(sent, clock)
  if m.begun >= sent then return true end
  local n = #fresh
  local length = redis.call('LLEN', stream)
  local kept = math.min(length - first_alive(stream, length, ttl, now) + n, size)
  if kept == m.top then return false end
  if kept == 0 then return true end
  return struct.unpack('>I8', record_at(m.top - kept + 1)) >= sent
end

local answer, tags, new_ids = { g, m.e }, {}, 0
for i = 8, #ARGV, 4 do
  local record, id, sent, result = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), nil
  local has_id = id ~= ''
  if has_id then
    id = string.sub(id, 2)
    local at = tonumber(redis.call('ZSCORE', ids, id) or 0)
    local earlier = at > 0 and record_at(at)
    if earlier and is_retained(at, earlier) then
      result = data_of(earlier) == data_of(record) and -at or 0
    end
  end
  if not result and sent > 0 and may_have_lost(sent) then result = 'U' end
  if not result then
    record = show(number(now) .. string.sub(record, 9))
    m.top = m.top + 1
    fresh[m.top - stored] = record
    if has_id then
      redis.call('ZADD', ids, m.top, id)
      new_ids = new_ids + 1
    end
    tags[m.top - stored] = ARGV[i + 3]
    result = m.top
  end
  answer[#answer + 1] = result
end

local n = m.top - stored
if n > 0 then
  m.newest, m.used = now, 1
  local length
  for i = 1, n do length = redis.call('RPUSH', stream, fresh[i]) end
  -- A key that is new, as the one before was emptied or evicted, has no expiry yet.
  if length == n then m.stream_until = 0 end
  if new_ids > 0 and redis.call('ZCARD', ids) <= new_ids then m.ids_until = 0 end
  redis.call('LTRIM', stream, -size, -1)
  if ttl == 0 then
    if m.stream_until ~= 0 then redis.call('PERSIST', stream) end
    if m.ids_until ~= 0 then redis.call('PERSIST', ids) end
    m.stream_until, m.ids_until = 0, 0
  else
    local lives = math.abs(ttl)
    local expires = now + math.ceil(lives * 1.25)
    if m.stream_until < now + lives then
      redis.call('PEXPIREAT', stream, expires)
      m.stream_until = expires
    end
    if m.ids_until < now + lives and redis.call('PEXPIREAT', ids, expires) == 1 then m.ids_until = expires end
  end
end

-- It outlives the stream and the ids, whatever their ttl.
local outlives = math.ceil(math.abs(ttl) * 1.25)
if ttl == 0 then
  m.meta_until = 0
  redis.call('SET', KEYS[2], write_meta(m))
elseif m.meta_until < now + math.max(position_ttl * 0.75, outlives) then
  m.meta_until = now + position_ttl + outlives
  redis.call('SET', KEYS[2], write_meta(m), 'PXAT', m.meta_until)
else
  redis.call('SET', KEYS[2], write_meta(m), 'KEEPTTL')
end

if n > 0 then
  local message = { 'P', m.e, g, ARGV[7], number(stored + 1), struct.pack('>I2', n) }
  for i = 1, n do message[#message + 1] = struct.pack('>I4', #fresh[i]) .. tags[i] .. fresh[i] end
  redis.call('SPUBLISH', ARGV[6], table.concat(message))
end
-- Last: where the slot moves, ids that have been emptied cannot be used any more.
if math.floor(m.top / 16) ~= math.floor(stored / 16) then
  redis.call('ZREMRANGEBYSCORE', ids, '-inf', m.top - size)
end
return answer
