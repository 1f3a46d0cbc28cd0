-- mark: all (0 or 1), held (0 or 1), ids. These points may differ: found by a reconcile, or written without Redis.

local stop = enter()
if stop then
    return stop
end
local is_all, is_held, ids = ARGV[4] == '1', ARGV[5] == '1', split(ARGV[6])
if is_all then
    lose(is_held)
end
if is_held then
    hold(ids)
else
    make_dirty(ids)
end
return answer('OK')
