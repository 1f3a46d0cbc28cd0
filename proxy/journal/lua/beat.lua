-- beat: dual (0 or 1), known_count (how many answers this process had had under this boot before it sent this; 0 or missing: not
-- told). The replica is alive. A session that has nothing more to say would never notice that Redis has lost its last
-- steps, so all are counted here. Adds what `describe` tells.

local stop = enter()
if stop then
    return stop
end
local _, _, count = sessions_of(replica)
if count < (tonumber(ARGV[5]) or 0) then
    roll_back(0)
    return {'LAPSED'}
end
grow()
local record = read_replica(replica)
record.beat, record.dual = record.beat + 1, tonumber(ARGV[4]) or error('no flag')
write_replica(replica, record)
return answer('OK', unpack(describe()))
