-- The life of the store, and whose it is: '*', or the process of the server that began it and may
-- lose what it acknowledged. Such a life ends with the process: what the next one has on disk may
-- be of any earlier moment. What is of another life is as good as absent.
local function present(key, process, durable, begin)
    local found = redis.call('HMGET', key, 'life', 'process')
    if found[1] and (found[2] == process or found[2] == '*' and durable == '*') then
        return found[1], found[2]
    end
    local of = durable == '*' and durable or process
    redis.call('HSET', key, 'life', begin, 'process', of)
    return begin, of
end

-- The last number of a topic, or none if it has none in this life.
local function last_number(key, stream, life)
    local count = redis.call('GET', key)
    local of, number = string.match(count or '', '^(%x+)%-(%d+)$')
    if of == life then
        return number
    elseif count then
        redis.call('DEL', stream)
    end
end

-- Where numbers begin: at the clock, so that none is given twice.
local function first_number()
    local time = redis.call('TIME')
    return string.format('%.0f', time[1] * 1000000 + time[2])
end

