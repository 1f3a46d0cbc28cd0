-- known: moment, early (0 or 1), incarnation, as `moment` said when the reconcile began. It has marked every difference. Adds 1
-- if the dirty set is known from here on: nothing has made it unknown since, and no replica is missing.

local stop = enter()
if stop then
    return stop
end
local is_known = tonumber(ARGV[4]) == moment and ARGV[5] == '0' and ARGV[6] == inc and not hold_all and are_all_in()
if is_known and unknown == 1 then
    grow()
    unknown = 0
    call('HSET', base .. 'meta', 'unknown', 0)
end
return answer('OK', is_known and 1 or 0)
