-- KEYS: incarnation, stream, the count of the topic, what is known of the id.
-- ARGV: process, '*' if it is durable, a life to begin, the adopted life or '', item, the most
-- items, how many ms the stream, the count and the id are kept, the channel of the topic.
-- PERSIST is as in swap.lua.
local life
if ARGV[4] == '' then
    life = present(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
elseif redis.call('HGET', KEYS[1], 'life') == ARGV[4] then
    life = ARGV[4]
else
    redis.call('PERSIST', KEYS[1])
    return false
end
local of, known = string.match(redis.call('GET', KEYS[4]) or '', '^(%x+)%-(%d+)$')
if of == life then
    redis.call('PERSIST', KEYS[1])
    return {life, known}
end
local last = last_number(KEYS[3], KEYS[2], life) or first_number()
local number = string.format('%.0f', last + 1)
local place = life .. '-' .. number
redis.call('XADD', KEYS[2], 'MAXLEN', '=', ARGV[6], number .. '-0', 'item', ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[7])
redis.call('SET', KEYS[3], place, 'PX', ARGV[8])
redis.call('SET', KEYS[4], place, 'PX', ARGV[9])
redis.call('PUBLISH', ARGV[10], '')
return {life, number}
