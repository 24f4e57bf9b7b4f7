-- KEYS: incarnation. ARGV: process, '*' if it is durable, a life to begin.
-- PERSIST is as in swap.lua.
redis.call('PERSIST', KEYS[1])
return {present(KEYS[1], ARGV[1], ARGV[2], ARGV[3])}
