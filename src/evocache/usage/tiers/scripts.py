"""What a Valkey or Redis server runs for the shared tier: each script is one step that no other can see half of.

Keys of a tenant share a prefix P with its digest in braces, so that a cluster keeps them on one server:

- `Pe:KEY`: an entry, sealed
- `Pscore`: entries by their scores, as on disk (GreedyDual-Size-Frequency, HPL-98-69R1)
- `Pover`: entries by when they end
- `Pabout`: of each entry its bytes, seconds, uses and owner
- `Pstate`: the tenant's bytes and level
- `Po:OWNER`: an owner's entries
- `Pgone`: entries that were deleted lately, by when
- `Pcleared`: when all were
"""

from __future__ import annotations

_FORGET = """
local P = KEYS[1]
local function forget(key)
  local about = redis.call('HGET', P .. 'about', key)
  redis.call('DEL', P .. 'e:' .. key)
  redis.call('ZREM', P .. 'score', key)
  redis.call('ZREM', P .. 'over', key)
  if not about then return 0 end
  local room, owner = string.match(about, '^(%d+) %S+ %d+ (%x*)$')
  redis.call('HDEL', P .. 'about', key)
  if owner ~= '' then redis.call('SREM', P .. 'o:' .. owner, key) end
  redis.call('HINCRBY', P .. 'state', 'bytes', -tonumber(room))
  return 1
end
local function expire(now)
  local gone = 0
  for _, key in ipairs(redis.call('ZRANGEBYSCORE', P .. 'over', '-inf', now, 'LIMIT', 0, 1000)) do
    gone = gone + forget(key)
  end
  return gone
end
"""

PUT = (
    _FORGET
    + """
-- ARGV: now, most bytes, milliseconds that anything is kept, from when to when what was forgotten counts, then of each
-- entry: key, content, bytes, seconds, owner, milliseconds to live, when it ends, when computing it began
local most, keep = tonumber(ARGV[2]), tonumber(ARGV[3])
local count = redis.call('HLEN', P .. 'about')
if count ~= redis.call('ZCARD', P .. 'score') or count ~= redis.call('ZCARD', P .. 'over')
    or count > 0 and redis.call('EXISTS', P .. 'state') == 0 then
  -- the server let an index go: what is counted is no more what is there, so begin anew
  for _, key in ipairs(redis.call('HKEYS', P .. 'about')) do forget(key) end
  for _, key in ipairs(redis.call('ZRANGE', P .. 'score', 0, -1)) do forget(key) end
  for _, name in ipairs({'about', 'score', 'over', 'state'}) do redis.call('DEL', P .. name) end
end
expire(ARGV[1])
local cleared, refused = tonumber(redis.call('GET', P .. 'cleared') or 0), 0
local function too_late(key, began)
  for _, at in ipairs({cleared, tonumber(redis.call('ZSCORE', P .. 'gone', key) or 0)}) do
    if began < at and tonumber(ARGV[4]) <= at and at <= tonumber(ARGV[5]) then return true end
  end
end
local function put(key, content, room, seconds, owner, left, over)
  forget(key)
  local level = tonumber(redis.call('HGET', P .. 'state', 'level') or 0)
  redis.call('SET', P .. 'e:' .. key, content, 'PX', left)
  redis.call('HSET', P .. 'about', key, room .. ' ' .. seconds .. ' 1 ' .. owner)
  redis.call('ZADD', P .. 'score', string.format('%.17g', level + tonumber(seconds) / tonumber(room)), key)
  redis.call('ZADD', P .. 'over', over, key)
  if owner ~= '' then
    redis.call('SADD', P .. 'o:' .. owner, key)
    redis.call('PEXPIRE', P .. 'o:' .. owner, keep)
  end
  redis.call('HINCRBY', P .. 'state', 'bytes', room)
end
for i = 6, #ARGV, 8 do
  if too_late(ARGV[i], tonumber(ARGV[i + 7])) then refused = refused + 1 else put(unpack(ARGV, i, i + 6)) end
end
local gone = 0
while tonumber(redis.call('HGET', P .. 'state', 'bytes') or 0) > most do
  local first = redis.call('ZRANGE', P .. 'score', 0, 0, 'WITHSCORES')
  if not first[1] then
    redis.call('HSET', P .. 'state', 'bytes', 0)
    break
  end
  redis.call('HSET', P .. 'state', 'level', first[2])
  forget(first[1])
  gone = gone + 1
end
for _, name in ipairs({'about', 'score', 'over', 'state'}) do redis.call('PEXPIRE', P .. name, keep) end
return {gone, refused}
"""
)
"""Insert entries, but for those forgotten since they began, and evict; return how many left, and were refused."""

GET = """
local P, key = KEYS[1], ARGV[1]
local content = redis.call('GET', P .. 'e:' .. key)
local about = content and redis.call('HGET', P .. 'about', key)
if about then
  local room, seconds, uses, owner = string.match(about, '^(%d+) (%S+) (%d+) (%x*)$')
  uses = uses + 1
  local level = tonumber(redis.call('HGET', P .. 'state', 'level') or 0)
  redis.call('HSET', P .. 'about', key, string.format('%s %s %d %s', room, seconds, uses, owner))
  redis.call('ZADD', P .. 'score', string.format('%.17g', level + uses * tonumber(seconds) / tonumber(room)), key)
end
return content
"""
"""Return an entry, and raise its score."""

DELETE = (
    _FORGET
    + """
-- ARGV: now, or nothing where it is not to be remembered, seconds that it is, how many are, then keys
local now, keep = tonumber(ARGV[1]), tonumber(ARGV[2])
local gone = 0
for i = 4, #ARGV do
  gone = gone + forget(ARGV[i])
  if now then redis.call('ZADD', P .. 'gone', ARGV[1], ARGV[i]) end
end
if now then
  redis.call('ZREMRANGEBYSCORE', P .. 'gone', '-inf', now - keep)
  redis.call('ZREMRANGEBYRANK', P .. 'gone', 0, -1 - tonumber(ARGV[3]))
  redis.call('PEXPIRE', P .. 'gone', 1000 * keep)
end
return gone
"""
)
"""Forget entries by their keys, and return how many there were."""

CLEAR = (
    _FORGET
    + """
-- ARGV: owner, now, milliseconds that it is remembered
if ARGV[1] == '' then
  redis.call('DEL', P .. 'gone')
  redis.call('SET', P .. 'cleared', ARGV[2], 'PX', ARGV[3])
end
local keys = ARGV[1] == '' and redis.call('HKEYS', P .. 'about') or redis.call('SMEMBERS', P .. 'o:' .. ARGV[1])
local gone = 0
for i = 1, math.min(#keys, 1000) do gone = gone + forget(keys[i]) end
if #keys > 1000 then return {gone, 1} end
if ARGV[1] == '' then
  for _, name in ipairs({'about', 'score', 'over', 'state'}) do redis.call('DEL', P .. name) end
else
  redis.call('DEL', P .. 'o:' .. ARGV[1])
end
return {gone, 0}
"""
)
"""Forget up to 1,000 entries of an owner, or of the tenant; return how many, and whether there are more."""

EXPIRE = _FORGET + "return expire(ARGV[1])"
"""Forget up to 1,000 entries whose time is over, and return how many."""
