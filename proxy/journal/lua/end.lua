-- end: op, dirty (0 or 1), held (0 or 1), ids and all as begun. A write is over. It adds to the dirty set, it never cleans.
-- An ALL that was given up while it waited ends here too, to give back its turn; it has had no effect.

local stop = enter()
if stop then
    return stop
end
local op, is_dirty, is_held = ARGV[4], ARGV[5] == '1', ARGV[6] == '1'
if ARGV[8] == '1' and wait_no_more(op) then
    grow()
    return answer('OK')
end

local ids, is_all = take_op(op)
if not ids then
    -- Its begin has got lost, so others did not see it, and it did not see them.
    ids, is_all, is_dirty, is_held = split(ARGV[7]), ARGV[8] == '1', true, true
end
grow()
if is_all then
    touch_everything()
    if is_dirty or is_held then
        lose(is_held)
    end
elseif is_held then
    hold(ids)
elseif is_dirty then
    make_dirty(ids)
else
    touch(ids)
end
return answer('OK')
