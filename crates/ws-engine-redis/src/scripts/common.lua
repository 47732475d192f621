-- What all scripts share. A channel's meta is 104 bytes: the epoch's number e, the generation g it was last written in
-- and the one before that, then numbers: top, base (the top when g began), when its newest publication was stored, the
-- ttl that it was stored with, when its epoch began, the newest time shown, when the keys of meta, stream and ids expire
-- (0: never), and whether anything was ever published. Times are in milliseconds. A ttl of 0 is none; with a negative
-- one all publications of a stream expire together, that long after the newest.
local function number(n) return struct.pack('>I8', n) end

local function read_meta(raw)
  local m = { e = string.sub(raw, 1, 8), g = string.sub(raw, 9, 16), h = string.sub(raw, 17, 24) }
  m.top, m.base, m.newest, m.ttl, m.begun, m.shown, m.meta_until, m.stream_until, m.ids_until, m.used =
    struct.unpack('>I8I8I8i8I8I8I8I8I8I8', raw, 25)
  return m
end

local function write_meta(m)
  return m.e .. m.g .. m.h .. struct.pack('>I8I8I8i8I8I8I8I8I8I8', m.top, m.base, m.newest, m.ttl, m.begun, m.shown,
    m.meta_until, m.stream_until, m.ids_until, m.used)
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The meta as of generation g, which began at `since`: what was stored up to then has survived.
local function in_generation(m, g, since)
  if m.g ~= g then
    m.h, m.base, m.g = m.g, m.top, g
    m.begun = math.max(m.begun, since)
  end
  return m
end

-- Index of the oldest publication of the stream that has not expired; the length where all have.
local function first_alive(stream, length, ttl, now)
  if ttl == 0 then return 0 end
  if ttl < 0 and length > 0 then
    local newest = struct.unpack('>I8', redis.call('LINDEX', stream, -1))
    return newest - ttl > now and 0 or length
  end
  local low, high = 0, length
  while low < high do
    local middle = math.floor((low + high) / 2)
    local at = struct.unpack('>I8', redis.call('LINDEX', stream, middle))
    if at + ttl > now then high = middle else low = middle + 1 end
  end
  return low
end

-- The shorter of the ttl that a stream was stored with and the one asked for, where 0 is none. A stream that was stored
-- with none and is to expire together is held on another server, and nothing of it expires meanwhile.
local function shorter(stored, asked)
  if stored == 0 then return math.max(asked, 0) elseif asked == 0 then return stored end
  return math.abs(stored) < math.abs(asked) and stored or asked
end

-- Offset of the oldest publication that is retained by size and ttl; top + 1: none is.
local function oldest_retained(stream, m, size, ttl, now)
  local length = redis.call('LLEN', stream)
  local alive = first_alive(stream, length, shorter(m.ttl, ttl), now)
  return math.max(m.top + 1 - math.min(length - alive, size), 1)
end
