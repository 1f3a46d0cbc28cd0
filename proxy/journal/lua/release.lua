-- release: token, mark. What has been held since `mark` or longer cannot land any more. Adds 1 if there is more: not too
-- many at a time. The end of a hold is a touch: a copy that has read before it must not clean.

local stop = enter()
if stop then
    return stop
end
local mark = tonumber(ARGV[5]) or error('no mark')
if is_fenced(ARGV[4]) then
    return answer('FENCED')
end
local MAX = 20000
local ids = call('ZRANGEBYSCORE', base .. 'held', '-inf', digits(mark), 'LIMIT', 0, MAX)
if #ids > 0 then
    grow()
    apply('ZREM', 'held', ids)
    apply('HDEL', 'tried', ids)
    touch(ids)
end
if hold_all and hold_all <= mark then
    hold_all = nil
    touch_everything()
    call('HDEL', base .. 'meta', 'hold_all')
end
-- Nobody knows what an orphaned range has written over; at most what was touched while it could. If that was everything,
-- only a comparison helps.
local has_dropped = false
for name, copy in pairs(running_copies()) do
    if copy.orphan and copy.orphan <= mark then
        local touched = touched_in_range(copy)
        local is_all = touch_all > copy.s0
        drop_copy(name, copy)
        make_dirty(touched)
        if is_all then
            lose(false)
        end
        has_dropped = true
    end
end
if has_dropped then
    trim_touches()
end
return answer('OK', #ids == MAX and 1 or 0)
