-- copy_end: copy, token, how, ids: what it has written or deleted, or may have. The only step that cleans. `how` is done; failed:
-- nothing of it may still land; or unknown. Adds how many ids stay or became dirty, and whether an ALL came by.

local stop = enter()
if stop then
    return stop
end
local name, how, ids = ARGV[4], ARGV[6], split(ARGV[7])
local packed = call('HGET', base .. 'copies', name)
local copy = packed and cmsgpack.unpack(packed)

-- A copy that is not the leader's own, or that nobody knows: what others did meanwhile was not measured by it, and what
-- it has sent may land after what they send.
if not copy or copy.orphan or is_fenced(ARGV[5]) or copy.token ~= token then
    if copy then
        make_orphan(name, copy)
        trim_touches()
    end
    hold(ids)
    return answer('OK', #ids, 0)
end

if not copy.range then -- the scope, and what it has written besides
    local scope, is_known = listed(name), {}
    for _, id in ipairs(scope) do
        is_known[id] = true
    end
    for _, id in ipairs(ids) do
        if not is_known[id] then
            scope[#scope + 1] = id
        end
    end
    if how ~= 'done' then
        drop_copy(name, copy)
        make_dirty(scope)
        if how == 'unknown' then
            hold(ids)
        end
        trim_touches()
        return answer('OK', #scope, 0)
    end
    ids = scope
end

local met_all = (touch_all > copy.s0 or alls > 0) and 1 or 0
local kept, tried, clean = {}, {}, {}
if how == 'done' then
    local touches, flying, held = look_up('ZMSCORE', 'touch', ids), look_up('SMISMEMBER', 'fl', ids), look_up('ZMSCORE', 'held', ids)
    for i = 1, #ids do
        if met_all == 1 or flying[i] == 1 or (touches[i] and tonumber(touches[i]) > copy.s0) then
            kept[#kept + 1] = ids[i]
        elseif held[i] then
            tried[#tried + 1] = ids[i]
        else
            clean[#clean + 1] = ids[i]
        end
    end
    if copy.range then -- a range has not written what it did not see
        local is_kept = {}
        for _, id in ipairs(kept) do
            is_kept[id] = true
        end
        for _, id in ipairs(touched_in_range(copy)) do
            if not is_kept[id] then
                kept[#kept + 1] = id
            end
        end
    end
else
    kept = ids
end

drop_copy(name, copy)
apply('ZREM', 'dirty', clean)
set_all('tried', tried, 1)
if how == 'unknown' then
    hold(kept)
else
    make_dirty(kept)
end
trim_touches()
return answer('OK', #kept + #tried, how == 'done' and met_all or 0)
