-- KEYS: incarnation, record. ARGV: the adopted incarnation.
-- PERSIST is as in swap.lua.
redis.call('PERSIST', KEYS[1])
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return false
end
return redis.call('HMGET', KEYS[2], 'revision', 'value')
