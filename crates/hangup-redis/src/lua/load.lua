-- KEYS: incarnation, record. ARGV: the adopted life.
-- PERSIST is as in swap.lua.
redis.call('PERSIST', KEYS[1])
if redis.call('HGET', KEYS[1], 'life') ~= ARGV[1] then
    return false
end
local record = redis.call('HMGET', KEYS[2], 'revision', 'value', 'life')
if record[3] ~= ARGV[1] then
    return {}
end
return record
