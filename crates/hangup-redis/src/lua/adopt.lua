-- KEYS: incarnation. ARGV: one to begin.
-- SET comes first: a replica refuses it, also when there is one already.
if redis.call('SET', KEYS[1], ARGV[1], 'NX') then
    return ARGV[1]
end
return redis.call('GET', KEYS[1])
