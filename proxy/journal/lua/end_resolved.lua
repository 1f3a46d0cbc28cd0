-- end_resolved: op, held (0 or 1), ids, all (0 or 1, as begun). As `end`, for a write that ran on the authority alone and
-- changed just `ids`: these are dirty, whatever scope the op was begun with.

local stop = enter()
if stop then
    return stop
end
local op, is_held, ids, was_all = ARGV[4], ARGV[5] == '1', split(ARGV[6]), ARGV[7] == '1'
grow()
if not take_op(op) then -- its begin has got lost: nobody knows what it met
    is_held = true
    if was_all then
        lose(true)
    end
end
if is_held then
    hold(ids)
else
    make_dirty(ids)
end
return answer('OK')
