-- KEYS: incarnation, stream, the last number of the topic.
-- ARGV: the adopted incarnation or '', one to begin, how many ms the last number is kept, the
-- incarnation and the number to read behind, the most items.
-- PERSIST is as in swap.lua.
redis.call('PERSIST', KEYS[1])
local life = redis.call('GET', KEYS[1])
if not life and ARGV[1] == '' then
    life = ARGV[2]
    redis.call('SET', KEYS[1], life)
elseif ARGV[1] ~= '' and life ~= ARGV[1] then
    return false
end
local last = redis.call('GET', KEYS[3])
if not last then
    -- The first item comes right behind what is returned.
    local time = redis.call('TIME')
    last = string.format('%.0f', time[1] * 1000000 + time[2])
    redis.call('SET', KEYS[3], last, 'PX', ARGV[3])
elseif redis.call('PTTL', KEYS[3]) < ARGV[3] / 2 then
    -- As long as there are readers, numbers go on without a hole.
    redis.call('PEXPIRE', KEYS[3], ARGV[3])
end
if ARGV[6] == '0' then
    return {life, last, {}}
end
local from = '-'
if life == ARGV[4] then
    from = '(' .. ARGV[5] .. '-0'
end
return {life, last, redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', ARGV[6])}
