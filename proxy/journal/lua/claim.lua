-- claim: the caller leads if nobody does. Adds the token, and 1 if the caller is the leader.

local stop = enter()
if stop then
    return stop
end
if leader == '' then
    grow()
    leader, token = replica, seq
    call('HSET', base .. 'meta', 'leader', leader, 'token', digits(token))
    for name, copy in pairs(running_copies()) do
        make_orphan(name, copy)
    end
    trim_touches()
end
return answer('OK', token, leader == replica and 1 or 0)
