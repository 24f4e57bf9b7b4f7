-- KEYS: incarnation, the last revision, record.
-- ARGV: the adopted life, the expected revision or '', value, time to live in ms or ''.
-- PERSIST changes nothing, and a replica refuses it: what is answered is not behind what is
-- decided. It does not come before the writes: memory is checked at the first of a script alone.
if redis.call('HGET', KEYS[1], 'life') ~= ARGV[1] then
    redis.call('PERSIST', KEYS[1])
    return false
end
local record = redis.call('HMGET', KEYS[3], 'revision', 'life')
if (record[2] == ARGV[1] and record[1] or '') ~= ARGV[2] then
    redis.call('PERSIST', KEYS[1])
    return 0
end
-- Above all before it, also above those that were lost with the counter.
local time = redis.call('TIME')
local last = tonumber(redis.call('GET', KEYS[2]) or 0)
local revision = string.format('%.0f', math.max(last + 1, time[1] * 1000000 + time[2]))
redis.call('SET', KEYS[2], revision)
redis.call('HSET', KEYS[3], 'revision', revision, 'value', ARGV[3], 'life', ARGV[1])
if ARGV[4] == '' then
    redis.call('PERSIST', KEYS[3])
else
    redis.call('PEXPIRE', KEYS[3], ARGV[4])
end
return revision
