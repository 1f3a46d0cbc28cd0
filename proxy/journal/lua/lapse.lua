-- lapse: replica, beat. The caller has seen no other beat of it for too long. Adds 1 if it has lapsed now. It stays
-- registered, so that every gate stays shut, until it joins again or an operator declares it dead.

local stop = enter()
if stop then
    return stop
end
local name, beat = ARGV[4], tonumber(ARGV[5])
local record = read_replica(name)
if name == replica or not record or record.state ~= 'in' or record.beat ~= beat then
    return answer('OK', 0)
end
grow()
record.seen, record.count = end_sessions(name, false)
record.state = 'lapsed'
write_replica(name, record)
return answer('OK', 1)
