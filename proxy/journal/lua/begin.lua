-- begin: op, force (0 or 1), all (0 or 1), ids. A write puts on record what it is about to touch. BUSY: it meets another
-- one, or a copy that excludes writers, or an ALL that waits for its turn; nothing is on record then, and the caller asks
-- again. With `force` it goes on all the same, and what two writes change at once is dirty.

local stop = enter()
if stop then
    return stop
end
local op, is_forced, is_all, packed = ARGV[4], ARGV[5] == '1', ARGV[6] == '1', ARGV[7]
local ids = is_all and {} or split(packed)
if call('HEXISTS', base .. 'ops', op) == 1 then
    return answer('OK')
end
local flying = look_up('SMISMEMBER', 'fl', ids)

local function meets_exclusive_copy()
    if excls == 0 then
        return false
    end
    local names = look_up('HMGET', 'cids', ids)
    for name, copy in pairs(running_copies()) do
        for i = 1, copy.excl and #ids or 0 do
            if names[i] == name or (copy.range and is_in_range(copy, ids[i])) then
                return true
            end
        end
    end
    return false
end

local function is_busy()
    if turn and turn ~= op then
        return true
    end
    if is_all then
        return excls > 0 or call('EXISTS', base .. 'ops') == 1
    end
    if alls > 0 then
        return true
    end
    for i = 1, #ids do
        if flying[i] == 1 then
            return true
        end
    end
    return meets_exclusive_copy()
end

-- The ids of all ops are in this one's way, or those that it shares with others. Two of unknown scope: nobody knows.
-- Neither a copy nor a waiting ALL makes anything dirty: to the copy this begin is a touch.
local function mark_conflicts()
    if is_all then
        make_dirty(call('SMEMBERS', base .. 'fl'))
        if alls > 0 then
            lose(false)
        end
    elseif alls > 0 then
        make_dirty(ids)
    else
        local met = {}
        for i = 1, #ids do
            if flying[i] == 1 then
                met[#met + 1] = ids[i]
            end
        end
        make_dirty(met)
    end
end

if is_forced then
    mark_conflicts()
elseif is_busy() then
    if is_all then
        wait_for_turn(op)
    end
    return answer('BUSY')
end

grow()
call('HSET', base .. 'ops', op, cmsgpack.pack({session = session, all = is_all and 1 or 0, ids = is_all and '' or packed}))
if is_all then
    wait_no_more(op)
    add_alls(1)
    touch_everything()
else
    for i = 1, is_forced and #ids or 0 do
        if flying[i] == 1 then
            call('HINCRBY', base .. 'more', ids[i], 1)
        end
    end
    apply('SADD', 'fl', ids)
    touch(ids)
end
return answer('OK')
