-- forget: replica. An operator says that it does not come back, nor what it kept on its disk. Adds 1 if it was there, and
-- had lapsed: what is alive is not forgotten.

local stop = enter()
if stop then
    return stop
end
local name = ARGV[4]
local record = read_replica(name)
if not record or record.state == 'in' then
    return answer('OK', 0)
end
call('HDEL', base .. 'rep', name)
lose(true)
return answer('OK', 1)
