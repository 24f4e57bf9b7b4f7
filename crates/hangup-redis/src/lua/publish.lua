-- KEYS: incarnation, stream, the last number of the topic, the number of this id.
-- ARGV: the adopted incarnation or '', one to begin, item, the most items, and how many ms the
-- stream, the last number and the id are kept, and the channel of the topic.
-- PERSIST is as in swap.lua.
local life = redis.call('GET', KEYS[1])
if not life and ARGV[1] == '' then
    life = ARGV[2]
    redis.call('SET', KEYS[1], life)
elseif ARGV[1] ~= '' and life ~= ARGV[1] then
    redis.call('PERSIST', KEYS[1])
    return false
end
local known = redis.call('GET', KEYS[4])
if known then
    redis.call('PERSIST', KEYS[1])
    return {life, known}
end
local last = redis.call('GET', KEYS[3])
if not last then
    -- Numbers begin at the clock, so that a topic whose number was dropped does not repeat any.
    local time = redis.call('TIME')
    last = time[1] * 1000000 + time[2]
end
local number = string.format('%.0f', last + 1)
redis.call('XADD', KEYS[2], 'MAXLEN', '=', ARGV[4], number .. '-0', 'item', ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('SET', KEYS[3], number, 'PX', ARGV[6])
redis.call('SET', KEYS[4], number, 'PX', ARGV[7])
redis.call('PUBLISH', ARGV[8], '')
return {life, number}
