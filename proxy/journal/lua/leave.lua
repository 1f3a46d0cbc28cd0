-- leave: the caller says goodbye. Adds 1 if it has left: not while something of its own is under way.

local stop = enter()
if stop then
    return stop
end
for _, packed in ipairs(call('HVALS', base .. 'ops')) do
    if replica_of(cmsgpack.unpack(packed).session) == replica then
        return answer('OK', 0)
    end
end
if leader == replica then
    for _, copy in pairs(running_copies()) do
        if not copy.orphan then
            return answer('OK', 0)
        end
    end
end
local record = read_replica(replica)
local _, count = end_sessions(replica, true)
record.state, record.seen, record.count = 'lapsed', seq, count + 1 -- with this one
call('HDEL', base .. 'rep', replica)
write_replica(replica, record, 'left')
session = nil
return answer('OK', 1)
