-- KEYS: incarnation, stream, the count of the topic.
-- ARGV: process, '*' if it is durable, a life to begin, the adopted life or '', how many ms the
-- count is kept, the life and the number to read behind, the most items.
-- PERSIST is as in swap.lua.
redis.call('PERSIST', KEYS[1])
local life
if ARGV[4] == '' then
    life = present(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
elseif redis.call('HGET', KEYS[1], 'life') == ARGV[4] then
    life = ARGV[4]
else
    return false
end
local last = last_number(KEYS[3], KEYS[2], life)
if not last then
    -- The first item comes right behind what is returned.
    last = first_number()
    redis.call('SET', KEYS[3], life .. '-' .. last, 'PX', ARGV[5])
elseif redis.call('PTTL', KEYS[3]) < ARGV[5] / 2 then
    -- As long as there are readers, numbers go on without a hole.
    redis.call('PEXPIRE', KEYS[3], ARGV[5])
end
if ARGV[8] == '0' then
    return {life, last, {}}
end
local from = '-'
if life == ARGV[6] then
    from = '(' .. ARGV[7] .. '-0'
end
return {life, last, redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', ARGV[8])}
